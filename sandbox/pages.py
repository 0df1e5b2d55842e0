"""The sandbox's pages: HTML from the files in `html/`, every value escaped."""

from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from sandbox.clock import parse
from sandbox.marks import value_of
from sandbox.pdf import UnreadablePdfError, text_of
from sandbox.store import Row

_FOLDER: Final = Path(__file__).parent / "html"
_KINDS: Final = {
    "signature_request": ("To sign", "note"),
    "reminder": ("Reminder", "note"),
    "expiry_warning": ("Expires soon", "note"),
    "cc_notice": ("Copy", ""),
    "completed_copy": ("Completed", "good"),
}
_LABELS: Final = {"initial": "Initials", "full_name": "Full name", "first_name": "First name"}


def style() -> str:
    """Read the style sheet."""
    return _file("style.css")


def inbox(emails: list[dict[str, Any]], address: str | None) -> str:
    """Show e-mails."""
    mails = "\n".join(_mail(email) for email in emails)
    empty = '<li class="card soft">Nothing yet. Send a document for signature, and it shows up here.</li>'
    filtered = f" to {escape(address)}" if address else ""
    return _page("Inbox", "inbox.html", mails=mails or empty, filtered=filtered)


def signing(document: Row, person: Row, *, content: bytes, action: str, pdf: str, today: str) -> str:
    """Show a document to somebody who has to sign it."""
    own = [
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
        fields="\n".join(_field(number, field, person, today) for number, field in own),
        text=escape(_text_of(content)),
        action=escape(action),
        pdf=escape(pdf),
    )


def review(document: Row, *, content: bytes, pdf: str) -> str:
    """Show a document that was prepared for review, and its fields."""
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
        text=escape(_text_of(content)),
        pdf=escape(pdf),
    )


def outcome(headline: str, message: str, *, good: bool = True, link: tuple[str, str] | None = None) -> str:
    """Say how something ended; `link` is a label and where it leads."""
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
    label, tone = _KINDS.get(email["kind"], (email["kind"], ""))
    link = ""
    if email["link"] and email["kind"] in {"signature_request", "reminder", "expiry_warning"}:
        link = f'<a class="button" href="{escape(email["link"])}">Open</a>'
        if email["recipient_status"] == "completed":
            link = '<span class="badge good">Signed</span>'
    return (
        f'<li class="card"><div><span class="badge {tone}">{label}</span> '
        f"<strong>{escape(email['subject'])}</strong>"
        f'<div class="soft">to {escape(email["address"])}, {_time(email["sent_at"])}</div></div>{link}</li>'
    )


def _field(number: int, field: dict[str, Any], person: Row, today: str) -> str:
    name, label = f"field-{number}", escape(_label(field))
    if field["type"] == "checkbox":
        checked = "checked" if field.get("defaultValue") == "true" else ""
        box = f'<input type="checkbox" name="{name}" value="true" {checked}>'
        return f'<label class="check">{box}{label}</label>'
    value = today if field["type"] == "date" else value_of(field, person)
    fixed = "readonly" if field.get("isReadonly") or field["type"] == "date" else ""
    hand = "hand" if field["type"] in {"signature", "initial"} else ""
    needed = "" if field.get("required") is False or fixed else "required"
    return (
        f'<label>{label}<input type="text" class="{hand}" name="{name}" value="{escape(value)}"'
        f' maxlength="600" {fixed} {needed}></label>'
    )


def _time(text: str) -> str:
    return f"{parse(text):%-d %B %Y, %H:%M:%S} UTC"


def _label(field: dict[str, Any]) -> str:
    key = (field.get("metadata") or {}).get("fieldKey")
    if isinstance(key, str) and key:
        return key.replace("_", " ").capitalize()
    return str(_LABELS.get(field["type"], field["type"].replace("_", " ").capitalize()))


def _text_of(content: bytes) -> str:
    """Read a document's text, for browsers that show no PDF in a page."""
    try:
        return text_of(content)
    except UnreadablePdfError:
        return "This document can be opened, but not shown here."
