"""Queries about envelopes and their parts."""

from typing import Final

from sandbox.core.clock import parse
from sandbox.core.store import Row
from sandbox.documenso import errors
from sandbox.documenso.ids import is_envelope_id
from sandbox.documenso.sandbox import Sandbox

ENDED: Final = frozenset({"COMPLETED", "REJECTED", "CANCELLED"})


def visible(sandbox: Sandbox, envelope_id: str, team: int) -> Row | None:
    """Return a team's envelope; None for another team's or none."""
    row = sandbox.store.find("documents", envelope_id)
    return row if row is not None and row["team_id"] == team else None


def find(sandbox: Sandbox, envelope_id: str, team: int, kind: str | None = None) -> Row:
    """Return a team's envelope.

    Raises:
        ApiError: 400 `INVALID_BODY`, it is no envelope id; 404, it is not visible or of another kind.
    """
    if not is_envelope_id(envelope_id):
        raise errors.app_error("INVALID_BODY", "Invalid envelope ID")
    row = visible(sandbox, envelope_id, team)
    if row is None or kind not in {None, row["type"]}:
        raise errors.not_found()
    return row


def find_to_send(sandbox: Sandbox, envelope_id: str, team: int) -> Row:
    """Return a team's document; sends report a missing one without a code.

    Raises:
        ApiError: 400 `INVALID_BODY`, it is no envelope id; 500, it is not visible.
    """
    if not is_envelope_id(envelope_id):
        raise errors.app_error("INVALID_BODY", "Invalid envelope ID")
    row = visible(sandbox, envelope_id, team)
    if row is None or row["type"] != "DOCUMENT":
        raise errors.plain("Document not found")
    return row


def items(sandbox: Sandbox, envelope_id: str) -> list[Row]:
    """Return an envelope's files in their order."""
    return sandbox.store.rows("SELECT * FROM items WHERE document_id = ? ORDER BY place", envelope_id)


def recipients(sandbox: Sandbox, envelope_id: str) -> list[Row]:
    """Return an envelope's recipients in signing order."""
    return sandbox.store.rows(
        "SELECT * FROM recipients WHERE document_id = ? ORDER BY signing_order IS NULL, signing_order, id",
        envelope_id,
    )


def fields(sandbox: Sandbox, envelope_id: str, recipient_id: int | None = None) -> list[Row]:
    """Return an envelope's fields, of one recipient or of all."""
    return sandbox.store.rows(
        "SELECT * FROM fields WHERE document_id = ?1 AND (?2 IS NULL OR recipient_id = ?2) ORDER BY id",
        envelope_id,
        recipient_id,
    )


def touch(sandbox: Sandbox, envelope_id: str) -> None:
    """Set the time of the last change."""
    sandbox.store.update("documents", envelope_id, updated_on=sandbox.clock.stamp())


def open_people(people: list[Row]) -> list[Row]:
    """Return the recipients that still have to act."""
    return [person for person in people if person["role"] != "CC" and person["status"] == "NOT_SIGNED"]


def next_people(document: Row, people: list[Row]) -> list[Row]:
    """Return the recipients whose turn it is: all open ones, or the first of a sequence."""
    waiting = open_people(people)
    return waiting[:1] if document["meta"]["signingOrder"] == "SEQUENTIAL" else waiting


def is_expired(sandbox: Sandbox, person: Row) -> bool:
    """Return whether a recipient's time to sign is over."""
    return person["expires_at"] is not None and sandbox.clock.now() >= parse(person["expires_at"])
