"""View, sign, finalize and void documents."""

import hashlib
from typing import Any

from sandbox.core.pdf import UnreadablePdfError, stamp
from sandbox.core.store import Row
from sandbox.turbodocx import audit, documents, errors, events, mail
from sandbox.turbodocx.marks import marks
from sandbox.turbodocx.sandbox import Sandbox


def view(sandbox: Sandbox, document_id: str, recipient_id: str) -> None:
    """Open the document as a recipient; only the first view counts.

    Raises:
        ApiError: 404, unknown; 409, not signable; 410, expired.
    """
    with sandbox.store.transaction():
        document, person = _actor(sandbox, document_id, recipient_id)
        if person["viewed_on"] is not None:
            return
        person |= {"viewed_on": sandbox.clock.stamp(), "status": "viewed"}
        sandbox.store.update("recipients", person["id"], viewed_on=person["viewed_on"], status="viewed")
        audit.record(sandbox, document_id, "document_viewed", person)
        sandbox.ledger.record("document_viewed", document_id, recipient_id=person["id"])
        events.viewed(sandbox, document, person)


def sign(
    sandbox: Sandbox, document_id: str, recipient_id: str, entries: dict[str, Any] | None = None
) -> None:
    """Sign as a recipient; this includes a view.

    `entries` holds the signer's entries by field number.

    Raises:
        ApiError: 404, unknown; 409, another signer is next, or it is already signed; 410, expired.
    """
    with sandbox.store.transaction():
        view(sandbox, document_id, recipient_id)
        document, person = _actor(sandbox, document_id, recipient_id)
        if person["status"] == "completed":
            raise errors.identity(409, "Recipient has already signed", "RecipientAlreadySigned")
        now = sandbox.clock.stamp()
        person |= {"signed_on": now, "status": "completed"}
        sandbox.store.update(
            "recipients", person["id"], signed_on=now, status="completed", entries=entries or {}
        )
        audit.record(sandbox, document_id, "document_signed", person)
        sandbox.ledger.record("document_signed", document_id, recipient_id=person["id"])
        _advance(sandbox, document, person)


def sign_all(sandbox: Sandbox, document_id: str) -> None:
    """Sign for all remaining signers, in their order.

    Raises:
        ApiError: As for `sign`.
    """
    with sandbox.store.transaction():
        document = documents.find(sandbox, document_id)
        _require_open(sandbox, document)
        while next_signers := documents.next_signers(documents.recipients(sandbox, document_id)):
            for person in next_signers:
                sign(sandbox, document_id, person["id"])


def finalize(sandbox: Sandbox, document_id: str, *, announce: bool = True) -> None:
    """Make the signed PDF of a fully signed document.

    With `announce`, emit `completed`.

    Raises:
        ApiError: 409, signatures are missing, or the document has ended.
    """
    with sandbox.store.transaction():
        document, people = documents.find(sandbox, document_id), documents.recipients(sandbox, document_id)
        if document["status"] != documents.OPEN or documents.next_signers(people):
            raise errors.identity(409, "Document is not waiting to be finalized", "DocumentNotSignable")
        try:
            _finalize(sandbox, document, people, announce=announce)
        except UnreadablePdfError:
            raise errors.identity(409, "The document cannot be finalized", "FinalizationFailed") from None


def void(sandbox: Sandbox, document_id: str, reason: str) -> Row:
    """Void a document and return it.

    Raises:
        ApiError: 404, unknown; 409, it has ended.
    """
    with sandbox.store.transaction():
        document = documents.find(sandbox, document_id)
        if document["status"] not in {documents.OPEN, documents.REVIEW} or documents.is_past(
            document, sandbox.clock.now()
        ):
            status = "expired" if document["status"] == documents.OPEN else document["status"]
            raise errors.ApiError(
                409,
                {
                    "error": f"Document cannot be voided: it is {status}",
                    "code": "DocumentNotActionable",
                    "status": status,
                },
            )
        changes = {
            "status": "voided",
            "void_reason": reason,
            "voided_at": sandbox.clock.stamp(),
            "document_hash": hashlib.sha256(sandbox.store.file(document_id) or b"").hexdigest(),
        }
        sandbox.store.update("documents", document_id, **changes)
        audit.record(sandbox, document_id, "document_voided", reason=reason)
        sandbox.ledger.record("document_voided", document_id, reason=reason, title=document["name"])
        events.voided(sandbox, document | changes)
        return document | changes


def _actor(sandbox: Sandbox, document_id: str, recipient_id: str) -> tuple[Row, Row]:
    """Return document and recipient if the recipient is next or has signed."""
    document, people = documents.find(sandbox, document_id), documents.recipients(sandbox, document_id)
    person = next((candidate for candidate in people if candidate["id"] == recipient_id), None)
    if person is None:
        raise errors.identity(404, "Recipient not found", "RecipientNotFound")
    if person["status"] == "completed":
        return document, person
    _require_open(sandbox, document)
    if person not in documents.next_signers(people):
        raise errors.identity(409, "It is not this recipient's turn to sign", "NotSignersTurn")
    return document, person


def _require_open(sandbox: Sandbox, document: Row) -> None:
    if document["status"] == "expired" or documents.is_past(document, sandbox.clock.now()):
        raise errors.identity(410, "This document has expired", "DocumentExpired")
    if document["status"] != documents.OPEN:
        raise errors.identity(409, f"Document is {document['status']}", "DocumentNotSignable")


def _advance(sandbox: Sandbox, document: Row, person: Row) -> None:
    """Emit `recipient_signed`, then exactly one of `signed`, `completed` and `finalization_failed`."""
    people = documents.recipients(sandbox, document["id"])
    remaining = sum(signer["status"] != "completed" for signer in people)
    events.recipient_signed(sandbox, document, person, remaining)
    if remaining:
        events.signed(sandbox, document, person, remaining)
        _invite_next(sandbox, document, person, people)
    elif document["finalization_fails"]:
        _fail(sandbox, document)
    else:
        try:
            _finalize(sandbox, document, people, announce=True)
        except UnreadablePdfError:
            _fail(sandbox, document)


def _fail(sandbox: Sandbox, document: Row) -> None:
    sandbox.ledger.record("finalization_failed", document["id"])
    events.finalization_failed(sandbox, document)


def _invite_next(sandbox: Sandbox, document: Row, person: Row, people: list[Row]) -> None:
    next_signers = documents.next_signers(people)
    if document["send_email"] and next_signers[0]["signing_order"] > person["signing_order"]:
        for signer in next_signers:
            mail.to_signer(sandbox, document, signer, "signature_request")


def _finalize(sandbox: Sandbox, document: Row, people: list[Row], *, announce: bool) -> None:
    source = sandbox.store.file(document["id"]) or b""
    content = stamp(source, marks(document, people), f"{document['id']} | signed by {len(people)}")
    changes = {
        "status": "completed",
        "completed_at": sandbox.clock.stamp(),
        "document_hash": hashlib.sha256(content).hexdigest(),
    }
    sandbox.store.keep_file(f"{document['id']}.signed", content)
    sandbox.store.update("documents", document["id"], **changes)
    sandbox.ledger.record("document_completed", document["id"], title=document["name"])
    mail.to_all(sandbox, document, people, "completed_copy")
    mail.to_copied(sandbox, document, "completed_copy")
    if announce:
        events.completed(sandbox, document | changes)
