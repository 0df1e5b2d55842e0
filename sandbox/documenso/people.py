"""What people do with Documenso documents, on pages and through the control API."""

import io
from typing import Any, Final

from pydantic import AwareDatetime, ConfigDict
from pypdf import PdfWriter

from sandbox.core import control, pages, pdf, provider
from sandbox.core.clock import iso
from sandbox.core.errors import ApiError
from sandbox.core.provider import Task
from sandbox.core.store import Row
from sandbox.core.validation import Body, check
from sandbox.documenso import creation, envelopes, errors, jobs, marks, placement, sending, signing
from sandbox.documenso.creation import File, PlacedField, Signer
from sandbox.documenso.sandbox import COLLEAGUE, OWNER, USERS, Sandbox

MANUAL: Final = "manual"
"""The control API's source of documents that a colleague made."""
_LABELS: Final = {"FREE_SIGNATURE": "Signature"}
_ERROR_PAGES: Final = {
    "RECIPIENT_EXPIRED": ("Expired", "The time to sign this document is over."),
    "ENVELOPE_CANCELLED": ("Withdrawn", "The sender has withdrawn this document."),
    "ENVELOPE_REJECTED": ("Declined", "This document was declined."),
    "NOT_RECIPIENTS_TURN": ("Not yet", "Another signer is first. You get an e-mail when it is your turn."),
}
_STATES: Final = {"COMPLETED": "completed", "CANCELLED": "voided", "REJECTED": "declined", None: "voided"}
_SHOWN: Final = (
    *("id", "name", "external_id", "type", "status", "source", "folder_id", "meta"),
    *("created_on", "updated_on", "completed_on", "deleted_on"),
)
_SHOWN_RECIPIENT: Final = (
    *("id", "name", "email", "role", "status", "read_status", "send_status", "signing_order"),
    *("viewed_on", "signed_on", "rejection_reason", "expires_at"),
)


class Person(Body):
    """A recipient of a document made by hand."""

    name: str
    email: str


class Manual(Body):
    """A document that a colleague makes and sends by hand; `created_on` backdates it."""

    model_config = ConfigDict(extra="forbid", strict=False)

    title: str
    text: str = "A document made by hand."
    recipients: list[Person]
    external_id: str | None = None
    created_on: AwareDatetime | None = None


class People(provider.People):
    """Documenso's people."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def documents(self, title: str) -> list[dict[str, Any]]:
        rows = self._sandbox.store.rows("SELECT * FROM documents ORDER BY seq")
        return [self._shown(row) for row in rows if title in row["name"]]

    def document(self, document_id: str) -> dict[str, Any]:
        return self._shown(self._find(document_id))

    def make(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = check(Manual, body, errors.invalid_input)
        place: dict[str, Any] = {"page": 1, "position_x": 10, "width": 30, "height": 5}
        people = [
            Signer(
                name=person.name,
                email=person.email,
                role="SIGNER",
                fields=[PlacedField(type="SIGNATURE", position_y=40 + 8 * number, **place)],
            )
            for number, person in enumerate(asked.recipients)
        ]
        wanted = creation.New(
            type="DOCUMENT", title=asked.title, external_id=asked.external_id, recipients=people
        )
        content = pdf.render(asked.title, [("text", asked.text)])
        document = creation.create(self._sandbox, wanted, [File("manual.pdf", content)], COLLEAGUE, 1)
        if asked.created_on is not None:
            self._sandbox.store.update("documents", document["id"], created_on=iso(asked.created_on))
        sending.distribute(self._sandbox, document, None)
        return self.document(document["id"])

    def complete(self, document_id: str, body: dict[str, Any]) -> None:
        asked = check(control.Complete, body, errors.invalid_input)
        document = self._find(document_id)
        with self._sandbox.store.transaction():
            while waiting := envelopes.next_people(document, self._people(document)):
                for person in waiting:
                    signing.sign(self._sandbox, document, person)
            if asked.finalization == "fails":
                jobs.hold_sealing(self._sandbox, document_id)

    def finalize(self, document_id: str, body: dict[str, Any]) -> None:
        check(control.Finalize, body, errors.invalid_input)
        if not jobs.release_sealing(self._sandbox, self._find(document_id)["id"]):
            raise errors.app_error("INVALID_REQUEST", "No sealing job waits")
        signing.sweep(self._sandbox)

    def view(self, document_id: str, recipient_id: str) -> None:
        signing.view(self._sandbox, *self._pair(document_id, recipient_id))

    def sign(self, document_id: str, recipient_id: str, entries: dict[str, Any] | None) -> None:
        signing.sign(self._sandbox, *self._pair(document_id, recipient_id), entries)

    def decline(self, document_id: str, recipient_id: str, reason: str) -> None:
        signing.reject(self._sandbox, *self._pair(document_id, recipient_id), reason)

    def open_link(self, token: str) -> Task | None:
        document, person = self._signer(token)
        if person["status"] != "NOT_SIGNED":
            return None
        signing.view(self._sandbox, document, person)
        page = pages.SigningPage(
            title=document["name"],
            sender=USERS[document["user_id"]].name,
            signer=person["name"] or person["email"],
            expires_at=person["expires_at"],
            fields=self._page_fields(document, person),
            can_decline=True,
        )
        return Task(page, self._joined(document, drawn=False))

    def sign_link(self, token: str, form: dict[str, str]) -> None:
        document, person = self._signer(token)
        if person["status"] == "NOT_SIGNED":
            entries = {
                str(field["id"]): _entry(field, form)
                for field in envelopes.fields(self._sandbox, document["id"], person["id"])
            }
            signing.sign(self._sandbox, document, person, entries)

    def decline_link(self, token: str, reason: str) -> None:
        document, person = self._signer(token)
        if person["status"] == "NOT_SIGNED":
            signing.reject(self._sandbox, document, person, reason)

    def result(self, token: str, base_url: str) -> pages.Outcome | None:
        document, person = self._signer(token)
        if person["status"] == "REJECTED":
            return pages.Outcome("You have declined", "The sender learns your reason.", good=False)
        if person["status"] != "SIGNED":
            return None
        if document["status"] == "COMPLETED":
            url = f"{base_url}_sandbox/documents/{document['id']}/signed.pdf"
            message = f"All signers have signed “{document['name']}”."
            return pages.Outcome("All signed", message, link=("Download the signed document", url))
        others = len(envelopes.open_people(self._people(document)))
        rest = f"Still to sign: {others}." if others else "The signed document is being made."
        return pages.Outcome(
            "You have signed", f"Thank you. {rest}", link=("Back to the inbox", "/_sandbox/inbox")
        )

    def departure(self, token: str, way: provider.Way, *, again: bool) -> pages.Departure:
        document, person = self._signer(token)
        if again:
            return pages.Departure()
        if way == "sign":
            return pages.Departure(return_url=document["meta"]["redirectUrl"] or None)
        rejected = person["status"] == "REJECTED"
        data = {
            "token": token,
            "documentId": document["seq"],
            "envelopeId": document["id"],
            "recipientId": person["id"],
        } | ({"reason": person["rejection_reason"]} if rejected else {})
        action = "document-rejected" if rejected else "document-completed"
        return pages.Departure({"action": action, "data": data}, ("*",))

    def frame_ancestors(self, way: provider.Way) -> str:
        return "*" if way == "embed" else "'none'"

    def current(self, token: str) -> bytes:
        return self._joined(self._signer(token)[0], drawn=True)

    def signed_pdf(self, document_id: str) -> bytes:
        document = self._find(document_id)
        if document["status"] != "COMPLETED":
            raise errors.not_found("Signed document")
        items = envelopes.items(self._sandbox, document_id)
        return _join([self._sandbox.store.file(f"{item['id']}.signed") or b"" for item in items])

    def refusal(self, error: ApiError) -> tuple[str, str, str]:
        code = str((error.body or {}).get("data", {}).get("code", ""))
        headline, message = _ERROR_PAGES.get(code, ("Not possible", "This document cannot be signed."))
        return headline, message, code

    def _find(self, document_id: str) -> Row:
        document = self._sandbox.store.find("documents", document_id)
        if document is None:
            raise errors.not_found()
        return document

    def _people(self, document: Row) -> list[Row]:
        return envelopes.recipients(self._sandbox, document["id"])

    def _pair(self, document_id: str, recipient_id: str) -> tuple[Row, Row]:
        document = self._find(document_id)
        for person in self._people(document):
            if str(person["id"]) == recipient_id:
                return document, person
        raise errors.not_found("Recipient")

    def _signer(self, token: str) -> tuple[Row, Row]:
        person = self._sandbox.store.row("SELECT * FROM recipients WHERE token = ?", token)
        if person is None:
            raise errors.not_found("Recipient")
        return self._find(person["document_id"]), person

    def _page_fields(self, document: Row, person: Row) -> list[pages.Field]:
        """Return a signer's fields, with their pages counted through all files."""
        shown, first = [], 0
        for item in envelopes.items(self._sandbox, document["id"]):
            sizes = pdf.page_sizes(self._sandbox.store.file(item["id"]) or b"")
            for field in envelopes.fields(self._sandbox, document["id"], person["id"]):
                if field["item_id"] == item["id"]:
                    box = placement.box_of(field, sizes)
                    place = (first + box.page, box.x, box.y, box.width, box.height)
                    value = marks.value_of(field, person, self._sandbox.clock.stamp())
                    shown.append(_page_field(field, place, value, person))
            first += len(sizes)
        return shown

    def _joined(self, document: Row, *, drawn: bool) -> bytes:
        contents = []
        for item in envelopes.items(self._sandbox, document["id"]):
            content = self._sandbox.store.file(item["id"]) or b""
            found = marks.marks(self._sandbox, document, item) if drawn else []
            contents.append(pdf.stamp(content, found) if found else content)
        return _join(contents)

    def _shown(self, document: Row) -> dict[str, Any]:
        people = self._people(document)
        state = _STATES.get(document["status"], "open")
        if document["status"] == "DRAFT":
            state = "draft"
        waiting = envelopes.open_people(people)
        if state == "open" and waiting and all(envelopes.is_expired(self._sandbox, p) for p in waiting):
            state = "expired"
        return {key: document[key] for key in _SHOWN} | {
            "state": state,
            "source": document["source"] if document["user_id"] == OWNER.id else MANUAL,
            "recipients": [{key: person[key] for key in _SHOWN_RECIPIENT} for person in people],
            "fields": envelopes.fields(self._sandbox, document["id"]),
        }


def states(document: str | None, recipient: str | None) -> tuple[str, str]:
    """Translate statuses into the inbox's words; a removed document counts as withdrawn."""
    words = {"SIGNED": "completed", "REJECTED": "declined"}
    return _STATES.get(document, "open"), words.get(recipient or "", "open")


def _entry(field: Row, form: dict[str, str]) -> str:
    entered = form.get(f"field-{field['id']}")
    if field["type"] == "CHECKBOX":
        return "true" if entered == "true" else "false"
    return "" if field["meta"].get("readOnly") else (entered or "")[:600]


def _page_field(
    field: Row, box: tuple[int, float, float, float, float], value: str, person: Row
) -> pages.Field:
    kind = field["type"]
    label = field["meta"].get("label") or _LABELS.get(kind, kind.capitalize())
    return pages.Field(
        number=field["id"],
        label=str(label),
        kind="hand" if kind in marks.BY_HAND else "checkbox" if kind == "CHECKBOX" else "text",
        box=box,
        value=("true" if value else "") if kind == "CHECKBOX" else value,
        read_only=bool(field["meta"].get("readOnly")) or kind == "DATE",
        required=field["meta"].get("required") is not False,
        owner=person["email"],
    )


def _join(contents: list[bytes]) -> bytes:
    if len(contents) == 1:
        return contents[0]
    writer = PdfWriter()
    for content in contents:
        writer.append(io.BytesIO(content))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
