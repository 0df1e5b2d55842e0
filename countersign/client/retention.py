"""Retention: which agreements ended before a time, and their deletion from the store."""

import asyncio
import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowExecutionStatus

from countersign.client.connections import shared_client
from countersign.client.errors import RefusedError, UnreachableError
from countersign.client.recovery import AT_ONCE, workflow_status
from countersign.client.store import find_stored, open_own_store
from countersign.storage import StorageError, Store, put
from countersign.storage.references import StoredReference, stored_reference, stored_references

_NUMBERED_CLAIM: Final = re.compile(r"claim(?:\.(\d+))?\.json")


class Retention(StrEnum):
    """Whether an ended agreement may be deleted."""

    DELETE = "delete"
    ON_HOLD = "on hold"
    RUNNING = "running"


class EndedAgreement(BaseModel):
    """An agreement in the store that ended before a time.

    Args:
        reference: Its reference, in lower case.
        outcome: How it ended; `failed` if it failed before it had sent anything.
        ended_at: When it ended.
        files: How many files the store has of it.
        retention: `delete`; `on hold`; or `running`, if Temporal was restored and runs it again.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    outcome: str
    ended_at: datetime
    files: int
    retention: Retention


async def ended_agreements(before: datetime, *, client: Client | None = None) -> list[EndedAgreement]:
    """List the agreements that ended before a time, the oldest first. Changes nothing.

    An agreement whose end the store does not know is not among them: it runs, was terminated, or failed after
    it may have sent.

    Args:
        before: The time, with an offset.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: A setting is invalid.
        UnreachableError: Temporal or the store does not respond.
    """
    client = client or await shared_client()
    store, keys = open_own_store(client)
    slots = asyncio.Semaphore(AT_ONCE)

    async def look(stored: StoredReference) -> EndedAgreement | None:
        async with slots:
            return await _ended(client, store, stored, before)

    try:
        found = await asyncio.gather(*map(look, await stored_references(store, keys)))
    except StorageError as error:
        raise UnreachableError(f"{error}; retrying is safe") from None
    return sorted((ended for ended in found if ended is not None), key=lambda ended: ended.ended_at)


async def purge_agreement(reference: str, before: datetime, *, client: Client | None = None) -> int:
    """Delete all files of an agreement that ended before a time, its claim last; return how many.

    An interrupted purge can be repeated, unless it was deleting the claim; then the reference stays used.
    Afterwards the reference is as if it had never been used.

    Args:
        reference: The agreement's reference.
        before: The time, with an offset.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: A setting is invalid.
        RefusedError: It has not ended before that time as far as the store knows, is on hold, or runs.
        UnreachableError: Temporal or the store does not respond.
    """
    client = client or await shared_client()
    store, keys = open_own_store(client)
    try:
        stored = await stored_reference(store, keys, reference)
        ended = await _ended(client, store, stored, before)
        if ended is None or ended.retention is not Retention.DELETE:
            why = ended.retention if ended else "not known to have ended before then"
            raise RefusedError(f"{reference} is {why}: it was not deleted")
        for key in _in_order(stored):
            await store.delete(key)
    except StorageError as error:
        raise UnreachableError(f"{reference}: {error}; retrying is safe") from None
    return ended.files


async def hold(reference: str, *, client: Client | None = None) -> None:
    """Keep an agreement from `purge` and `erase` until `release_hold`. A repetition changes nothing.

    Raises:
        BadInputError: The reference or a setting is invalid.
        RefusedError: The store knows no such agreement.
        UnreachableError: Temporal or the store does not respond.
    """
    stored, store = await find_stored(reference, client or await shared_client())
    if not stored.claim:
        raise RefusedError(f"{reference}: the store knows no such agreement")
    try:
        await put(store, stored.hold_key, json.dumps({"at": datetime.now(UTC).isoformat()}).encode())
    except StorageError as error:
        raise UnreachableError(f"{reference}: {error}; retrying is safe") from None


async def release_hold(reference: str, *, client: Client | None = None) -> None:
    """End the hold of an agreement.

    Raises:
        BadInputError: The reference or a setting is invalid.
        RefusedError: It is not on hold.
        UnreachableError: Temporal or the store does not respond.
    """
    stored, store = await find_stored(reference, client or await shared_client())
    if not stored.is_on_hold:
        raise RefusedError(f"{reference} is not on hold")
    try:
        await store.delete(stored.hold_key)
    except StorageError as error:
        raise UnreachableError(f"{reference}: {error}; retrying is safe") from None


async def _ended(
    client: Client, store: Store, stored: StoredReference, before: datetime
) -> EndedAgreement | None:
    """Return what is known of an agreement that ended before a time; None if it did not, or may not have."""
    key = stored.end_key
    if key is None:
        return None
    end = json.loads(await store.read(key))
    ended_at = datetime.fromisoformat(end["at"]) if end.get("at") else None
    if ended_at is None or ended_at >= before:
        return None
    retention = Retention.DELETE
    if await workflow_status(client, stored.reference) is WorkflowExecutionStatus.RUNNING:
        retention = Retention.RUNNING
    elif stored.is_on_hold:
        retention = Retention.ON_HOLD
    return EndedAgreement(
        reference=stored.reference,
        outcome=end.get("outcome", "failed"),
        ended_at=ended_at,
        files=len(stored.keys),
        retention=retention,
    )


def _in_order(stored: StoredReference) -> list[str]:
    """Order the files for deletion.

    The claims come last, the first of them at the very end: until then no new agreement can have the
    reference and meet files of the old one. The end comes before them: until then a purge can be repeated.
    """

    def rank(key: str) -> tuple[int, int]:
        claim = _NUMBERED_CLAIM.fullmatch(key.rpartition("/")[2])
        if claim:
            return 2, -int(claim[1] or 1)
        return int(key == stored.end_key), 0

    return sorted(stored.keys, key=rank)
