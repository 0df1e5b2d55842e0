"""What people do with TurboDocx documents, on pages and through the control API."""

import contextlib
import json
from functools import lru_cache
from typing import Any, Final

from pydantic import AwareDatetime, ConfigDict

from sandbox.core import control, pages, pdf, provider
from sandbox.core.clock import iso
from sandbox.core.provider import Task
from sandbox.core.store import Row
from sandbox.core.validation import Body, check, path_id
from sandbox.turbodocx import documents, errors, mail, marks, presigned, sending, signing, signing_links
from sandbox.turbodocx.fields import BY_HAND
from sandbox.turbodocx.sandbox import Sandbox
from sandbox.turbodocx.sources import Source

_LABELS: Final = {"initial": "Initials", "full_name": "Full name", "first_name": "First name"}
_ERROR_PAGES: Final = {
    "DocumentExpired": ("Expired", "The time to sign this document is over."),
    "DocumentNotSignable": ("Withdrawn", "The sender has withdrawn this document."),
    "NotSignersTurn": ("Not yet", "Another signer is first. You get an e-mail when it is your turn."),
    "SigningLinkExpired": ("This link is used up", "Ask the sender for a new one."),
    "SingleUseLinkNeeded": ("Not through this link", "Ask the sender for a single-use link."),
}


class Signer(Body):
    """A recipient of a document made by hand."""

    name: str
    email: str


class Manual(Body):
    """A document that a member of the organization makes and sends in the dashboard."""

    model_config = ConfigDict(extra="forbid", strict=False)

    title: str
    text: str = "A document made by hand."
    recipients: list[Signer]
    sender_name: str = "Another Member"
    sender_email: str = "member@example.com"
    created_on: AwareDatetime | None = None


class People(provider.People):
    """TurboDocx's people; it has no declines."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def documents(self, title: str) -> list[dict[str, Any]]:
        rows = self._sandbox.store.rows("SELECT * FROM documents ORDER BY seq")
        return [_shown(self._sandbox, row) for row in rows if title in row["name"]]

    def document(self, document_id: str) -> dict[str, Any]:
        return _shown(self._sandbox, documents.find(self._sandbox, path_id(document_id)))

    def make(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = check(Manual, body, errors.invalid)
        content = pdf.render(asked.title, [("text", asked.text)])
        body = {
            "documentName": asked.title,
            "senderName": asked.sender_name,
            "senderEmail": asked.sender_email,
            "recipients": json.dumps([signer.model_dump() for signer in asked.recipients]),
            "fields": json.dumps(
                [
                    {"type": "signature", "recipientEmail": signer.email, "page": 1}
                    | {"x": 60, "y": 300 + 60 * number, "width": 200, "height": 40}
                    for number, signer in enumerate(asked.recipients)
                ]
            ),
        }
        prepared = sending.prepare(
            self._sandbox, body, Source(content, "manual.pdf", "manual"), for_review=False
        )
        created_on = None if asked.created_on is None else iso(asked.created_on)
        document, _ = sending.commit(self._sandbox, prepared, for_review=False, created_on=created_on)
        return self.document(document["id"])

    def complete(self, document_id: str, body: dict[str, Any]) -> None:
        document_id = path_id(document_id)
        asked = check(control.Complete, body, errors.invalid)
        documents.find(self._sandbox, document_id)
        with self._sandbox.store.transaction():
            fails = asked.finalization == "fails"
            self._sandbox.store.update("documents", document_id, finalization_fails=fails)
            signing.sign_all(self._sandbox, document_id)

    def finalize(self, document_id: str, body: dict[str, Any]) -> None:
        asked = check(control.Finalize, body, errors.invalid)
        signing.finalize(self._sandbox, path_id(document_id), announce=asked.announce)

    def view(self, document_id: str, recipient_id: str) -> None:
        signing.view(self._sandbox, path_id(document_id), path_id(recipient_id, "recipientId"))

    def sign(self, document_id: str, recipient_id: str, entries: dict[str, Any] | None) -> None:
        ids = path_id(document_id), path_id(recipient_id, "recipientId")
        signing.sign(self._sandbox, *ids, entries=entries)

    def decline(self, document_id: str, recipient_id: str, reason: str) -> None:
        del document_id, recipient_id, reason
        raise errors.identity(409, "TurboDocx has no declines", "DeclineNotSupported")

    def open_link(self, token: str) -> Task | None:
        person = self._signer(token)
        if mail.needs_single_use_link(person):
            raise errors.identity(403, "This signer needs a single-use link", "SingleUseLinkNeeded")
        return self.open(person)

    def open(self, person: Row) -> Task | None:
        """Open a document as a recipient, whichever link it was."""
        if person["status"] == "completed":
            return None
        signing.view(self._sandbox, person["document_id"], person["id"])
        document = documents.find(self._sandbox, person["document_id"])
        page = pages.SigningPage(
            title=document["name"],
            sender=document["sender_name"],
            signer=person["name"],
            expires_at=document["expires_at"],
            fields=page_fields(document, person, self._sandbox.clock.stamp()[:10]),
        )
        return Task(page, self._sandbox.store.file(document["id"]) or b"")

    def sign_link(self, token: str, form: dict[str, str]) -> None:
        person = self._signer(token)
        if person["status"] == "completed":
            return
        document = documents.find(self._sandbox, person["document_id"])
        entries = _entries(document, person, form)
        signing.sign(self._sandbox, document["id"], person["id"], entries=entries)

    def decline_link(self, token: str, reason: str) -> None:
        person = self._signer(token)
        self.decline(person["document_id"], person["id"], reason)

    def result(self, token: str, base_url: str) -> pages.Outcome | None:
        person = self._signer(token)
        document = documents.find(self._sandbox, person["document_id"])
        if person["status"] != "completed":
            return None
        if document["status"] == "completed":
            url = presigned.link(self._sandbox, base_url, document["id"])
            message = f"All signers have signed “{document['name']}”."
            return pages.Outcome("All signed", message, link=("Download the signed document", url))
        people = documents.recipients(self._sandbox, document["id"])
        others = sum(signer["status"] != "completed" for signer in people)
        rest = f"Still to sign: {others}." if others else "The signed document is being made."
        link = "Back to the inbox", "/_sandbox/inbox"
        return pages.Outcome("You have signed", f"Thank you. {rest}", link=link)

    def departure(self, token: str, way: provider.Way, *, again: bool) -> pages.Departure:
        del way  # one link for all
        person = self._signer(token)
        message = {
            "type": "turbosign:completed",
            "documentId": person["document_id"],
            "status": "completed",
            "event": "already_signed" if again else "signing_complete",
            "scope": "recipient",
        }
        return pages.Departure(
            message,
            self._sandbox.behavior.allowed_frame_ancestors,
            None if again else signing_links.return_url(self._sandbox, person),
        )

    def frame_ancestors(self, way: provider.Way) -> str:
        del way
        return " ".join(self._sandbox.behavior.allowed_frame_ancestors) or "'none'"

    def current(self, token: str) -> bytes:
        document_id = self._signer(token)["document_id"]
        document = documents.find(self._sandbox, document_id)
        people = documents.recipients(self._sandbox, document_id)
        content = self._sandbox.store.file(document_id) or b""
        drawn = tuple(marks.marks(document, people))
        with contextlib.suppress(pdf.UnreadablePdfError):
            return _stamped(content, drawn) if drawn else content
        return content

    def signed_pdf(self, document_id: str) -> bytes:
        content = self._sandbox.store.file(f"{document_id}.signed")
        if content is None:
            raise errors.document_not_found()
        return content

    def refusal(self, error: errors.ApiError) -> tuple[str, str, str]:
        code = str((error.body or {}).get("code", ""))
        default = "Not possible", "This document cannot be signed."
        headline, message = _ERROR_PAGES.get(code, default)
        return headline, message, code

    def _signer(self, token: str) -> Row:
        person = self._sandbox.store.row("SELECT * FROM recipients WHERE token = ?", token)
        if person is None:
            raise errors.identity(404, "This link is not known", "SigningLinkNotFound")
        return person


def page_fields(document: Row, person: Row | None, today: str) -> list[pages.Field]:
    """Return the fields of a document as a page shows them: one signer's, or for None all."""
    return [
        _page_field(number, field, person, today)
        for number, field in enumerate(document["fields"])
        if person is None or field["recipientEmail"] == person["email"]
    ]


def _page_field(number: int, field: dict[str, Any], person: Row | None, today: str) -> pages.Field:
    by_hand, is_date = field["type"] in BY_HAND, field["type"] == "date"
    if person is None:
        value = ""
    elif field["type"] == "checkbox":
        value = field.get("defaultValue") or ""
    else:
        value = today if is_date else marks.value_of(field, person)
    page, x, y, width, height = field["box"]
    return pages.Field(
        number=number,
        label=_label(field),
        kind="hand" if by_hand else "checkbox" if field["type"] == "checkbox" else "text",
        box=(page, x, y, width, height),
        value=value,
        read_only=bool(field.get("isReadonly")) or is_date,
        required=field.get("required") is not False,
        owner=field["recipientEmail"],
    )


def _label(field: dict[str, Any]) -> str:
    key = (field.get("metadata") or {}).get("fieldKey")
    if isinstance(key, str) and key:
        return key.replace("_", " ").capitalize()
    return str(_LABELS.get(field["type"], field["type"].replace("_", " ").capitalize()))


def _entries(document: Row, person: Row, form: dict[str, str]) -> dict[str, Any]:
    """Return the entries of the form for fields that the signer may fill, by field number."""
    entries: dict[str, Any] = {}
    for number, field in enumerate(document["fields"]):
        entered = form.get(f"field-{number}")
        if field["recipientEmail"] != person["email"] or field.get("isReadonly") or field["type"] == "date":
            continue
        if field["type"] == "checkbox":
            entries[str(number)] = entered == "true"
        elif entered is not None:
            entries[str(number)] = entered[:600]
    return entries


@lru_cache(maxsize=8)
def _stamped(content: bytes, drawn: tuple[pdf.Mark, ...]) -> bytes:
    """Stamp a document once for the pictures of all its pages."""
    return pdf.stamp(content, drawn)


_SHOWN: Final = (
    *("id", "name", "description", "file_name", "source", "fields", "status"),
    *("sender_name", "sender_email", "cc_emails"),
    *("created_on", "sent_on", "expires_at", "completed_at", "document_hash"),
)


def _shown(sandbox: Sandbox, document: Row) -> dict[str, Any]:
    people = documents.recipients(sandbox, document["id"])
    states = {documents.OPEN: "open", documents.REVIEW: "draft"}
    return {key: document[key] for key in _SHOWN} | {
        "state": states.get(document["status"], document["status"]),
        "recipients": [
            {
                key: person[key]
                for key in ("id", "name", "email", "status", "signing_order", "viewed_on", "signed_on")
            }
            for person in people
        ],
    }
