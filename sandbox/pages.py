"""HTML pages, from the files in `html/`. Every value is escaped."""

from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from sandbox.clock import parse
from sandbox.marks import value_of
from sandbox.store import Row

_FOLDER: Final = Path(__file__).parent / "html"
_KINDS: Final = {
    "signature_request": ("To sign", "note"),
    "reminder": ("Reminder", "note"),
    "expiry_warning": ("Expires soon", "note"),
    "cc_notice": ("Copy", ""),
    "completed_copy": ("Completed", "good"),
}
_ENDED: Final = {"voided": "Withdrawn", "expired": "Expired"}
_LABELS: Final = {"initial": "Initials", "full_name": "Full name", "first_name": "First name"}


@dataclass(frozen=True, slots=True)
class Links:
    """Paths under which a page finds the parts of a document.

    Args:
        pdf: The PDF.
        picture: A page's picture, with `{page}` for its number.
    """

    pdf: str
    picture: str


def style() -> str:
    """Return the style sheet."""
    return _file("style.css")


def inbox(emails: list[dict[str, Any]], address: str | None) -> str:
    """Build the inbox page."""
    mails = "\n".join(_mail(email) for email in emails)
    empty = '<li class="card soft">Nothing yet. Send a document for signature, and it shows up here.</li>'
    filtered = f" to {escape(address)}" if address else ""
    return _page("Inbox", "inbox.html", mails=mails or empty, filtered=filtered)


def signing(
    document: Row, person: Row, *, sizes: list[tuple[float, float]], links: Links, action: str, today: str
) -> str:
    """Build the page on which a signer reads the document, fills fields and signs.

    Args:
        document: The document.
        person: The signer.
        sizes: Width and height of the document's pages; empty if they cannot be shown.
        links: Where the browser finds the document.
        action: Where the form goes.
        today: The date for date fields.
    """
    fields = [
        (number, field)
        for number, field in enumerate(document["fields"])
        if field["recipientEmail"] == person["email"]
    ]
    expires = document["expires_at"]
    deadline = f"It can be signed until {_time(expires)}." if expires else ""
    return _page(
        document["name"],
        "sign.html",
        name=escape(document["name"]),
        sender=escape(document["sender_name"]),
        signer=escape(person["name"]),
        deadline=escape(deadline),
        fields="\n".join(_field(number, field, person, today) for number, field in fields),
        pages=_pictures(sizes, links, fields),
        action=escape(action),
        pdf=escape(links.pdf),
    )


def review(document: Row, *, sizes: list[tuple[float, float]], links: Links) -> str:
    """Build the page of a document that was prepared for review, with the fields of all signers."""
    fields = "".join(
        f"<p><strong>{escape(_label(field))}</strong><br>"
        f'<span class="soft">{escape(field["recipientEmail"])}, page {field["box"][0]}</span></p>'
        for field in document["fields"]
    )
    return _page(
        document["name"],
        "review.html",
        name=escape(document["name"]),
        fields=fields or '<p class="soft">No fields yet.</p>',
        pages=_pictures(sizes, links, list(enumerate(document["fields"]))),
        pdf=escape(links.pdf),
    )


def outcome(headline: str, message: str, *, good: bool = True, link: tuple[str, str] | None = None) -> str:
    """Build the page that reports a result; `link` is a label and an address."""
    action = "" if link is None else f'<a class="button" href="{escape(link[1])}">{escape(link[0])}</a>'
    return _page(
        headline,
        "done.html",
        headline=escape(headline),
        message=escape(message),
        action=action,
        tone="" if good else "note",
        mark="&#10003;" if good else "!",
    )


def _page(title: str, file_name: str, **values: str) -> str:
    content = Template(_file(file_name)).substitute(values)
    return Template(_file("frame.html")).substitute(title=escape(title), content=content)


@cache
def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _mail(email: dict[str, Any]) -> str:
    label, tone = _KINDS.get(email["kind"], (email["kind"].replace("_", " ").capitalize(), ""))
    state, action = _state(email)
    if tone == "note" and state != "open":
        tone = ""
    return (
        f'<li class="card {state}"><div><span class="badge {tone}">{label}</span> '
        f"<strong>{escape(email['subject'])}</strong>"
        f'<div class="soft">to {escape(email["address"])}, {_time(email["sent_at"])}</div></div>'
        f'<div class="state">{action}</div></li>'
    )


def _state(email: dict[str, Any]) -> tuple[str, str]:
    """Return the CSS class of an e-mail, and what its reader can do."""
    signed = email["kind"] == "completed_copy" or email["recipient_status"] == "completed"
    if email["signed_pdf"]:
        badge = '<span class="badge good">Signed</span>' if signed else ""
        pdf = escape(email["signed_pdf"])
        return "signed", f'{badge}<a href="{pdf}" target="_blank" rel="noopener">Signed PDF</a>'
    if signed:
        return "signed", '<span class="badge good">Signed</span>'
    if email["document_status"] in _ENDED:
        return "ended", f'<span class="badge">{_ENDED[email["document_status"]]}</span>'
    if email["link"] and email["kind"] in {"signature_request", "reminder", "expiry_warning"}:
        return "open", f'<a class="button" href="{escape(email["link"])}">Open</a>'
    return "", ""


def _pictures(
    sizes: list[tuple[float, float]], links: Links, fields: list[tuple[int, dict[str, Any]]]
) -> str:
    """Build a picture for every page, with marks where the fields are."""
    if not sizes:
        return '<p class="card soft">This document can be opened, but not shown here.</p>'
    return "\n".join(
        f'<figure class="page"><img src="{escape(links.picture.format(page=page))}" width="{round(width)}" '
        f'height="{round(height)}" loading="lazy" alt="Page {page} of {len(sizes)}">'
        + "".join(
            _field_mark(number, field, width, height) for number, field in fields if field["box"][0] == page
        )
        + "</figure>"
        for page, (width, height) in enumerate(sizes, start=1)
    )


def _field_mark(number: int, field: dict[str, Any], width: float, height: float) -> str:
    _, x, y, field_width, field_height = field["box"]
    place = (
        f"left:{x / width:.3%};top:{y / height:.3%};"
        f"width:{field_width / width:.3%};height:{field_height / height:.3%}"
    )
    label = "" if field["type"] == "checkbox" else escape(_label(field))
    return (
        f'<a class="slot" href="#field-{number}" style="{place}" title="{escape(_label(field))}">{label}</a>'
    )


def _field(number: int, field: dict[str, Any], person: Row, today: str) -> str:
    name, label = f"field-{number}", escape(_label(field))
    if field["type"] == "checkbox":
        checked = "checked" if field.get("defaultValue") == "true" else ""
        box = f'<input type="checkbox" id="{name}" name="{name}" value="true" {checked}>'
        return f'<label class="check">{box}{label}</label>'
    value = today if field["type"] == "date" else value_of(field, person)
    fixed = "readonly" if field.get("isReadonly") or field["type"] == "date" else ""
    hand = "hand" if field["type"] in {"signature", "initial"} else ""
    needed = "" if field.get("required") is False or fixed else "required"
    return (
        f'<label>{label}<input type="text" class="{hand}" id="{name}" name="{name}" value="{escape(value)}"'
        f' maxlength="600" {fixed} {needed}></label>'
    )


def _time(text: str) -> str:
    return f"{parse(text):%-d %B %Y, %H:%M:%S} UTC"


def _label(field: dict[str, Any]) -> str:
    key = (field.get("metadata") or {}).get("fieldKey")
    if isinstance(key, str) and key:
        return key.replace("_", " ").capitalize()
    return str(_LABELS.get(field["type"], field["type"].replace("_", " ").capitalize()))
