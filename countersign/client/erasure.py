"""Erasure of the people of one agreement from the store, whenever it ended."""

import json
from typing import Final

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowExecutionStatus

from countersign.client.connections import shared_client
from countersign.client.errors import RefusedError, UnreachableError
from countersign.client.recovery import workflow_status
from countersign.client.store import find_stored
from countersign.storage import StorageError, Store
from countersign.storage.references import StoredReference

_SENT: Final = "/sent-"


class Erasure(BaseModel):
    """What an erasure deletes, and where else the agreement's people stand.

    Args:
        reference: The agreement's reference, in lower case.
        deleted: The keys of the files to delete, or that were deleted; empty after an erasure.
        kept: The keys of the files that stay: they name no one, and keep the reference used.
        namespace: Temporal's namespace.
        in_temporal: Whether Temporal still has the agreement's history.
        has_ended: Whether the end is known; without it, the provider may still collect signatures.
        account: The account at the provider; None if an older version claimed the reference.
        document_id: The provider's document; None if the store knows none.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    deleted: tuple[str, ...]
    kept: tuple[str, ...]
    namespace: str
    in_temporal: bool
    has_ended: bool
    account: str | None
    document_id: str | None


async def plan_erasure(reference: str, *, client: Client | None = None) -> Erasure:
    """Return what `erase_agreement` would delete. Changes nothing.

    Args:
        reference: The agreement's reference.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: The reference or a setting is invalid.
        RefusedError: The store knows no such agreement, or it runs, or it is on hold.
        UnreachableError: Temporal or the store does not respond.
    """
    planned, _ = await _plan(reference, client or await shared_client())
    return planned


async def erase_agreement(reference: str, *, client: Client | None = None) -> Erasure:
    """Delete the files of an agreement that may name people; a repetition finds none and is no error.

    Unlike `purge_agreement` it keeps the claim, whatever the agreement's age: a repeated start sends nothing.
    Temporal's history and the provider's document stay.

    Takes, refuses and raises what `plan_erasure` does.
    """
    planned, store = await _plan(reference, client or await shared_client())
    try:
        for key in planned.deleted:
            await store.delete(key)
    except StorageError as error:
        raise UnreachableError(f"{reference}: {error}; retrying is safe") from None
    return planned


async def _plan(reference: str, client: Client) -> tuple[Erasure, Store]:
    stored, store = await find_stored(reference, client)
    if not stored.claim:
        raise RefusedError(f"{reference}: the store knows no such agreement")
    if stored.is_on_hold:
        raise RefusedError(
            f"{reference} is on hold: nothing was erased; `countersign hold remove {reference}` ends the hold"
        )
    status = await workflow_status(client, reference)
    if status is WorkflowExecutionStatus.RUNNING:
        raise RefusedError(
            f'{reference} is running: nothing was erased; `countersign void {reference} --reason "…"` ends it'
        )
    try:
        account, document_id = await _sent_at(store, stored)
    except StorageError as error:
        raise UnreachableError(f"{reference}: {error}; retrying is safe") from None
    personal = stored.personal_keys
    planned = Erasure(
        reference=stored.reference,
        deleted=tuple(personal),
        kept=tuple(sorted(stored.keys.difference(personal))),
        namespace=client.namespace,
        in_temporal=status is not None,
        has_ended=stored.end_key is not None,
        account=account,
        document_id=document_id,
    )
    return planned, store


async def _sent_at(store: Store, stored: StoredReference) -> tuple[str | None, str | None]:
    """Return the account and the document's id, as far as the store knows them."""
    claim = json.loads(await store.read(stored.claim_key))
    places = [stored.end_key] if stored.has_ended else []
    places += sorted((key for key in stored.keys if _SENT in key), reverse=True)
    for key in filter(None, places):
        if document_id := json.loads(await store.read(key)).get("document_id"):
            return claim.get("account"), document_id
    return claim.get("account"), None
