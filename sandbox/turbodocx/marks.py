"""The content of signed fields."""

from typing import Any, Literal

from sandbox.core.pdf import Box, Mark
from sandbox.core.store import Row
from sandbox.turbodocx.fields import BY_HAND


def marks(document: Row, people: list[Row]) -> list[Mark]:
    """Return the marks of all signed fields of a document."""
    by_email = {person["email"]: person for person in people}
    return [
        mark
        for number, field in enumerate(document["fields"])
        if (mark := _mark(field, by_email[field["recipientEmail"]], str(number))) is not None
    ]


def value_of(field: dict[str, Any], person: Row, entry: Any = None) -> str:
    """Return a field's text: the signer's entry, else its default, else what is known of the signer."""
    first, _, last = person["name"].partition(" ")
    known = {
        "signature": person["name"],
        "initial": "".join(part[0] for part in person["name"].split()),
        "date": (person["signed_on"] or "")[:10],
        "full_name": person["name"],
        "first_name": first,
        "last_name": last,
        "email": person["email"],
    }
    if field["type"] == "checkbox":
        ticked = field.get("defaultValue") == "true" if entry is None else bool(entry)
        return "X" if ticked else ""
    return str(entry or field.get("defaultValue") or known.get(field["type"], ""))


def _mark(field: dict[str, Any], person: Row, number: str) -> Mark | None:
    text = value_of(field, person, person["entries"].get(number))
    if person["signed_on"] is None or not text:
        return None
    by_hand = field["type"] in BY_HAND
    caption = f"{person['name']} {person['signed_on']}" if by_hand else ""
    style: Literal["signature", "text"] = "signature" if by_hand else "text"
    return Mark(Box(*field["box"]), text, style, caption)
