"""Secrets and people that nobody could mistake for anything else, and a search for them in every disguise."""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

API_KEY: Final = "TDX-test-canary7c31f0a9d2e84b65"
CALLBACK_KEY: Final = "n8n-signature-5d0e7f31canary"
CALLBACK_SECRET: Final = "whsec_Y2FuYXJ5LW9mLWNhbGxiYWNrcy1pbi10aGUtc3RvcmU="
SENDER_NAME: Final = "Zephyrine Quillfeather"
SENDER_EMAIL: Final = "zephyrine@quillfeather.example"
SIGNERS: Final = {
    "Wilhelmina Ostrowczyk": "wilhelmina+esign@ostrowczyk.example",
    "Bartholomew Xanthopoulos": "b.xanthopoulos@xanthopoulos.example",
}
COPY: Final = "ornithopter@copies.example"
PHONE: Final = "+14155550137"
COMPANY: Final = "Quetzalcoatl Holdings"
TITLE: Final = "Nightingale Divorce Settlement"
DESCRIPTION: Final = "Regards from the Gewandhaus"
REASON: Final = "Perspicacious objections of the bride"

PEOPLE: Final = (
    SENDER_NAME,
    SENDER_EMAIL,
    *SIGNERS,
    *SIGNERS.values(),
    *(word for name in SIGNERS for word in name.split()),
    COPY,
    PHONE,
    COMPANY,
    TITLE,
    DESCRIPTION,
    REASON,
)


def disguises(text: str) -> dict[str, bytes]:
    """Write a text in every form that it may be found in."""
    raw = text.encode()
    forms = {
        "plain": raw,
        "lower": raw.lower(),
        "url": quote(text, safe="").encode(),
        "form": quote_plus(text).encode(),
        "json": json.dumps(text)[1:-1].encode(),
        "hex": binascii.hexlify(raw),
    }
    for shift in range(3):  # in base64 a text looks three ways, by where it begins; its ends blur
        encoded = base64.b64encode(bytes(shift) + raw)
        forms[f"base64 at {shift}"] = encoded[4 if shift else 0 : -4]
    return forms


def found(content: bytes, canaries: Iterable[str]) -> set[tuple[str, str]]:
    """Search for canaries; returns each with the form that it was found in."""
    lower = content.lower()
    return {
        (canary, form)
        for canary in canaries
        for form, needle in disguises(canary).items()
        if needle in (lower if form in ("lower", "hex") else content)
    }
