"""The values of signed fields, and their marks on the pages."""

from typing import Any, Final, Literal

from sandbox.core import pdf
from sandbox.core.pdf import Mark
from sandbox.core.store import Row
from sandbox.documenso import envelopes, placement
from sandbox.documenso.sandbox import Sandbox
from sandbox.documenso.values import SIGNATURES

BY_HAND: Final = SIGNATURES | {"INITIALS"}


def value_of(field: Row, person: Row, now: str, entry: Any = None) -> str:
    """Return a field's value: the signer's entry, else its default, else what is known of the signer."""
    meta = field["meta"]
    if field["type"] == "CHECKBOX":
        ticked = any(value.get("checked") for value in meta.get("values") or [])
        return "X" if entry in {True, "true"} or (entry is None and ticked) else ""
    known = {
        "SIGNATURE": person["name"] or person["email"],
        "FREE_SIGNATURE": person["name"] or person["email"],
        "INITIALS": "".join(part[0] for part in person["name"].split()),
        "NAME": person["name"],
        "EMAIL": person["email"],
        "DATE": now[:10],
    }
    default = meta.get("text") or meta.get("value") or meta.get("defaultValue")
    return str(entry or default or known.get(field["type"], ""))


def marks(sandbox: Sandbox, document: Row, item: Row) -> list[Mark]:
    """Return the marks of the filled fields of a file."""
    sizes = pdf.page_sizes(sandbox.store.file(item["id"]) or b"")
    people = {person["id"]: person for person in envelopes.recipients(sandbox, document["id"])}
    return [
        _mark(field, people[field["recipient_id"]], sizes)
        for field in envelopes.fields(sandbox, document["id"])
        if field["item_id"] == item["id"] and field["inserted"] and field["value"]
    ]


def _mark(field: Row, person: Row, sizes: list[tuple[float, float]]) -> Mark:
    by_hand = field["type"] in BY_HAND
    caption = f"{person['name']} {person['signed_on']}" if by_hand else ""
    style: Literal["signature", "text"] = "signature" if by_hand else "text"
    return Mark(placement.box_of(field, sizes), field["value"], style, caption)
