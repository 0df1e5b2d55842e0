"""Background jobs: invitations and sealing. They are rows, so they survive a restart."""

from datetime import timedelta
from typing import Literal

from sandbox.core.clock import iso
from sandbox.core.store import Row
from sandbox.documenso.sandbox import Sandbox

Kind = Literal["invitation", "reminder", "seal", "signed_event"]


def queue(
    sandbox: Sandbox, kind: Kind, document_id: str, seconds: float, recipient_id: int | None = None
) -> None:
    """Queue a job that is due in some seconds."""
    due = iso(sandbox.clock.now() + timedelta(seconds=seconds))
    row = {"kind": kind, "document_id": document_id, "recipient_id": recipient_id, "due_at": due}
    sandbox.store.insert("jobs", row)


def take_due(sandbox: Sandbox) -> Row | None:
    """Remove and return the first due job."""
    row = sandbox.store.row(
        "SELECT * FROM jobs WHERE due_at <= ? ORDER BY due_at, seq LIMIT 1", sandbox.clock.stamp()
    )
    if row is not None:
        sandbox.store.execute("DELETE FROM jobs WHERE seq = ?", row["seq"])
    return row


def hold_sealing(sandbox: Sandbox, document_id: str) -> None:
    """Keep an envelope's sealing job from running."""
    sandbox.store.execute(
        "UPDATE jobs SET due_at = NULL WHERE kind = 'seal' AND document_id = ?", document_id
    )


def release_sealing(sandbox: Sandbox, document_id: str) -> bool:
    """Make an envelope's sealing job due; returns whether there is one."""
    query = "SELECT seq FROM jobs WHERE kind = 'seal' AND document_id = ?"
    sandbox.store.execute(
        "UPDATE jobs SET due_at = ? WHERE kind = 'seal' AND document_id = ?",
        sandbox.clock.stamp(),
        document_id,
    )
    return sandbox.store.row(query, document_id) is not None
