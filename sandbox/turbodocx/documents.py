"""Queries about documents and their recipients."""

from datetime import datetime
from typing import Final

from sandbox.core.clock import parse
from sandbox.core.store import Row
from sandbox.turbodocx import errors
from sandbox.turbodocx.sandbox import Sandbox

OPEN: Final = "under_review"
"""Sent, with signatures missing."""
REVIEW: Final = "review_ready"
"""Prepared for review; no signer was asked."""


def find(sandbox: Sandbox, document_id: str) -> Row:
    """Read a document.

    Raises:
        ApiError: 404, it does not exist.
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


def next_signers(people: list[Row]) -> list[Row]:
    """Return the signers that are next: the unsigned ones of the lowest order."""
    unsigned = [person for person in people if person["status"] != "completed"]
    first = min((person["signing_order"] for person in unsigned), default=0)
    return [person for person in unsigned if person["signing_order"] == first]


def is_past(document: Row, now: datetime) -> bool:
    """Return whether `expires_at` has passed, also before the sweep sets the status."""
    return (
        document["status"] == OPEN
        and document["expires_at"] is not None
        and now >= parse(document["expires_at"])
    )


def effective_status(document: Row, person: Row, now: datetime) -> str:
    """Return a recipient's status after the document's end; a signature stays `completed`."""
    if person["status"] == "completed":
        return "completed"
    if document["status"] in {"voided", "expired"}:
        return str(document["status"])
    return "expired" if is_past(document, now) else str(person["status"])
