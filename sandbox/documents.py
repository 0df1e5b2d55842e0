"""Documents out for signature: finding them, whose turn it is, and what a status means."""

from datetime import datetime
from typing import Final

from sandbox import errors
from sandbox.clock import parse
from sandbox.sandbox import Sandbox
from sandbox.store import Row

OPEN: Final = "under_review"
"""Sent, and not everybody has signed."""
REVIEW: Final = "review_ready"
"""Prepared for review; nobody was asked to sign."""


def find(sandbox: Sandbox, document_id: str) -> Row:
    """Read a document.

    Raises:
        ApiError: 404, there is none.
    """
    document = sandbox.store.find("documents", document_id)
    if document is None:
        raise errors.document_not_found()
    return document


def recipients(sandbox: Sandbox, document_id: str) -> list[Row]:
    """Read a document's recipients in signing order."""
    return sandbox.store.rows(
        "SELECT * FROM recipients WHERE document_id = ? ORDER BY signing_order, seq", document_id
    )


def waiting(people: list[Row]) -> list[Row]:
    """Whose turn it is: those of the lowest order that have not signed."""
    unsigned = [person for person in people if person["status"] != "completed"]
    first = min((person["signing_order"] for person in unsigned), default=0)
    return [person for person in unsigned if person["signing_order"] == first]


def is_past(document: Row, now: datetime) -> bool:
    """Tell whether the signing window has closed, whether or not the sweep has said so."""
    return (
        document["status"] == OPEN
        and document["expires_at"] is not None
        and now >= parse(document["expires_at"])
    )


def effective_status(document: Row, person: Row, now: datetime) -> str:
    """A recipient's status with the document's end laid over it; a signature is never revoked."""
    if person["status"] == "completed":
        return "completed"
    if document["status"] in {"voided", "expired"}:
        return str(document["status"])
    return "expired" if is_past(document, now) else str(person["status"])
