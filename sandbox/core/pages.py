"""HTML pages, from the files in `html/`. Every value is escaped."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final, Literal

from sandbox.core.clock import parse

_FOLDER: Final = Path(__file__).parent / "html"
_KINDS: Final = {
    "signature_request": ("To sign", "note"),
    "reminder": ("Reminder", "note"),
    "expiry_warning": ("Expires soon", "note"),
    "cc_notice": ("Copy", ""),
    "completed_copy": ("Completed", "good"),
}
_ENDED: Final = {"voided": "Withdrawn", "expired": "Expired", "declined": "Declined"}


@dataclass(frozen=True, slots=True)
class Links:
    """Paths under which a page finds the parts of a document.

    Args:
        pdf: The PDF.
        picture: A page's picture, with `{page}` for its number.
    """

    pdf: str
    picture: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field on a page.

    Args:
        number: Its number in the document.
        label: Its label.
        kind: How it is filled; `hand` is a signature or initials.
        box: Page, x, y, width and height in points from the top left corner.
        value: Its value; "true" for a ticked checkbox.
        read_only: Whether the signer cannot change it.
        required: Whether the signer must fill it.
        owner: Whose it is.
    """

    number: int
    label: str
    kind: Literal["hand", "text", "checkbox"]
    box: tuple[int, float, float, float, float]
    value: str = ""
    read_only: bool = False
    required: bool = True
    owner: str = ""


@dataclass(frozen=True, slots=True)
class SigningPage:
    """The texts and fields of a signing page.

    Args:
        title: The document's title.
        sender: The sender's name.
        signer: The signer's name.
        expires_at: When signing ends; None for no end.
        fields: The signer's fields.
        can_decline: Whether the provider lets the signer decline.
    """

    title: str
    sender: str
    signer: str
    expires_at: str | None
    fields: list[Field]
    can_decline: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A page that reports a result; `link` is a label and an address."""

    headline: str
    message: str
    good: bool = True
    link: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Departure:
    """What a page does when its signer has finished.

    Args:
        message: What it posts to the page around it; None if it posts nothing.
        targets: The origins that may read the message.
        return_url: Where the signer goes; None if the signer stays.
    """

    message: dict[str, Any] | None = None
    targets: tuple[str, ...] = ()
    return_url: str | None = None


def style() -> str:
    """Return the style sheet."""
    return _file("style.css")


def inbox(emails: list[dict[str, Any]], address: str | None) -> str:
    """Build the inbox page."""
    mails = "\n".join(_mail(email) for email in emails)
    empty = '<li class="card soft">Nothing yet. Send a document for signature, and it shows up here.</li>'
    filtered = f" to {escape(address)}" if address else ""
    return _page("Inbox", "inbox.html", mails=mails or empty, filtered=filtered)


def signing(shown: SigningPage, *, sizes: list[tuple[float, float]], links: Links, action: str) -> str:
    """Build the page on which a signer reads the document, fills fields and signs.

    Args:
        shown: Texts and fields.
        sizes: Width and height of the document's pages; empty if they cannot be shown.
        links: Where the browser finds the document.
        action: Where the form goes.
    """
    deadline = f"It can be signed until {_time(shown.expires_at)}." if shown.expires_at else ""
    return _page(
        shown.title,
        "sign.html",
        name=escape(shown.title),
        sender=escape(shown.sender),
        signer=escape(shown.signer),
        deadline=escape(deadline),
        fields="\n".join(_field(field) for field in shown.fields),
        pages=_pictures(sizes, links, shown.fields),
        action=escape(action),
        pdf=escape(links.pdf),
        decline=_file("decline.html").replace("$action", escape(f"{action}/decline"))
        if shown.can_decline
        else "",
    )


def review(
    title: str,
    fields: list[Field],
    *,
    sizes: list[tuple[float, float]],
    links: Links,
    send: str | None = None,
) -> str:
    """Build the page of a document that was prepared for review, with the fields of all signers.

    `send` is where its button posts to; without it there is no button.
    """
    button = f'<form method="post" action="{escape(send)}"><button>Send</button></form>' if send else ""
    listed = "".join(
        f"<p><strong>{escape(field.label)}</strong><br>"
        f'<span class="soft">{escape(field.owner)}, page {field.box[0]}</span></p>'
        for field in fields
    )
    return _page(
        title,
        "review.html",
        name=escape(title),
        fields=listed or '<p class="soft">No fields yet.</p>',
        pages=_pictures(sizes, links, fields),
        pdf=escape(links.pdf),
        send=button,
    )


def outcome(shown: Outcome, departure: Departure | None = None) -> str:
    """Build the page that reports a result."""
    link = ("Continue", departure.return_url) if departure and departure.return_url else shown.link
    action = "" if link is None else f'<a class="button" href="{escape(link[1])}">{escape(link[0])}</a>'
    return _page(
        shown.headline,
        "done.html",
        headline=escape(shown.headline),
        message=escape(shown.message),
        action=action,
        tone="" if shown.good else "note",
        mark="&#10003;" if shown.good else "!",
        departure=_departure(departure) if departure else "",
    )


def _departure(departure: Departure) -> str:
    """Build the script that posts the message and leaves; its data cannot end the script element."""
    data = json.dumps(asdict(departure)).replace("<", "\\u003c")
    return Template(_file("departure.html")).substitute(data=data)


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


def _pictures(sizes: list[tuple[float, float]], links: Links, fields: list[Field]) -> str:
    """Build a picture for every page, with marks where the fields are."""
    if not sizes:
        return '<p class="card soft">This document can be opened, but not shown here.</p>'
    return "\n".join(
        f'<figure class="page"><img src="{escape(links.picture.format(page=page))}" width="{round(width)}" '
        f'height="{round(height)}" loading="lazy" alt="Page {page} of {len(sizes)}">'
        + "".join(_field_mark(field, width, height) for field in fields if field.box[0] == page)
        + "</figure>"
        for page, (width, height) in enumerate(sizes, start=1)
    )


def _field_mark(field: Field, width: float, height: float) -> str:
    _, x, y, field_width, field_height = field.box
    place = (
        f"left:{x / width:.3%};top:{y / height:.3%};"
        f"width:{field_width / width:.3%};height:{field_height / height:.3%}"
    )
    label = "" if field.kind == "checkbox" else escape(field.label)
    title = escape(field.label)
    return f'<a class="slot" href="#field-{field.number}" style="{place}" title="{title}">{label}</a>'


def _field(field: Field) -> str:
    name, label = f"field-{field.number}", escape(field.label)
    if field.kind == "checkbox":
        checked = "checked" if field.value == "true" else ""
        box = f'<input type="checkbox" id="{name}" name="{name}" value="true" {checked}>'
        return f'<label class="check">{box}{label}</label>'
    fixed = "readonly" if field.read_only else ""
    hand = "hand" if field.kind == "hand" else ""
    needed = "required" if field.required and not fixed else ""
    value = escape(field.value)
    return (
        f'<label>{label}<input type="text" class="{hand}" id="{name}" name="{name}" value="{value}"'
        f' maxlength="600" {fixed} {needed}></label>'
    )


def _time(text: str) -> str:
    return f"{parse(text):%-d %B %Y, %H:%M:%S} UTC"
