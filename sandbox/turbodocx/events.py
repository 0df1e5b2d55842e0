"""The seven webhook events and their payloads."""

from typing import Any, Final
from uuid import uuid4

from sandbox.core import deliveries
from sandbox.core.store import Row
from sandbox.turbodocx.sandbox import Sandbox

PREFIX: Final = "signature.document."
EVENT_TYPES: Final = tuple(
    PREFIX + name
    for name in (
        "sent",
        "viewed",
        "recipient_signed",
        "signed",
        "completed",
        "finalization_failed",
        "voided",
    )
)


def sent(sandbox: Sandbox, document: Row) -> None:
    """Emit `sent`: the document was sent."""
    _emit(sandbox, document, "sent", status="under_review", sent_at=document["sent_on"])


def viewed(sandbox: Sandbox, document: Row, person: Row) -> None:
    """Emit `viewed`: a recipient opened the document for the first time."""
    who = {"recipient_id": person["id"], "recipient_email": person["email"]}
    _emit(sandbox, document, "viewed", **who, viewed_at=person["viewed_on"])


def recipient_signed(sandbox: Sandbox, document: Row, person: Row, remaining: int) -> None:
    """Emit `recipient_signed`, before the event about the document."""
    _emit(
        sandbox,
        document,
        "recipient_signed",
        recipient_id=person["id"],
        recipient_email=person["email"],
        recipient_name=person["name"],
        signed_at=person["signed_on"],
        remaining_signers=remaining,
        is_final_signer=remaining == 0,
    )


def signed(sandbox: Sandbox, document: Row, person: Row, remaining: int) -> None:
    """Emit `signed`: a recipient signed, and others have not."""
    who = {"recipient_id": person["id"], "recipient_email": person["email"]}
    _emit(sandbox, document, "signed", **who, signed_at=person["signed_on"], remaining_signers=remaining)


def completed(sandbox: Sandbox, document: Row) -> None:
    """Emit `completed`: all signed, and the signed PDF exists."""
    _emit(
        sandbox,
        document,
        "completed",
        status="completed",
        status_enum="SignatureDocumentStatus.COMPLETED",
        completed_at=document["completed_at"],
        document_hash=document["document_hash"],
    )


def finalization_failed(sandbox: Sandbox, document: Row) -> None:
    """Emit `finalization_failed`: all signed, and the signed PDF could not be made."""
    _emit(
        sandbox,
        document,
        "finalization_failed",
        status="finalization_failed",
        failed_at=sandbox.clock.stamp(),
        failure_step="document_finalization",
    )


def voided(sandbox: Sandbox, document: Row) -> None:
    """Emit `voided`: the sender voided the document."""
    _emit(
        sandbox,
        document,
        "voided",
        status="voided",
        status_enum="SignatureDocumentStatus.VOIDED",
        voided_at=document["voided_at"],
        void_reason=document["void_reason"],
        document_hash=document["document_hash"],
    )


def envelope(sandbox: Sandbox, event_type: str, data: Any) -> dict[str, Any]:
    """Wrap the data of an event under a new event id."""
    return {
        "event": event_type,
        "event_id": f"evt_{uuid4().hex}",
        "created_at": sandbox.clock.stamp(),
        "version": "1.0",
        "data": data,
    }


def _emit(sandbox: Sandbox, document: Row, name: str, **data: Any) -> None:
    event_type = PREFIX + name
    body = envelope(sandbox, event_type, {"document_id": document["id"], "title": document["name"], **data})
    deliveries.emit(sandbox, event_type, deliveries.compact(body), lane=document["id"])
