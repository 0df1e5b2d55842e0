"""Agreements that the store knows and Temporal has lost: find them, and let them go on."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.plural import number_of
from countersign.agreements.reference import InvalidReferenceError, workflow_id
from countersign.client.connections import explained, shared_client
from countersign.client.errors import BadInputError, RefusedError, UnreachableError
from countersign.client.progress import Report, ignore
from countersign.client.references import RPC_TIMEOUT, StartedAgreement
from countersign.client.settings import load_settings
from countersign.client.start import start_once
from countersign.client.store import open_own_store
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, Store, put
from countersign.storage.references import StoredReference, stored_reference, stored_references
from countersign.storage.store import StoreKeys
from countersign.stored_input import UnreadableInputError, unseal

AT_ONCE: Final = 20
"""Agreements that Temporal is asked about at the same time."""


class LostAgreement(BaseModel):
    """An agreement that the store knows, that has not ended as far as it knows, and that Temporal has lost.

    Args:
        reference: Its reference, in lower case.
        claimed_at: When the reference was claimed.
        account: The account at the provider; None if an older version claimed it.
        obstacle: Why it cannot be recovered; None if it can.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    claimed_at: datetime
    account: str | None
    obstacle: str | None


async def lost_agreements(*, client: Client | None = None, on_read: Report = ignore) -> list[LostAgreement]:
    """List the agreements that can or cannot be recovered, the oldest first. Changes nothing.

    Reads the list of the whole store, and asks Temporal about each reference without an end.

    Args:
        client: A connection to use; by default a shared one.
        on_read: Called with a sentence about what the store has.

    Raises:
        UnreachableError: Temporal or the store does not respond.
    """
    client = client or await shared_client()
    store, keys = open_own_store(client)
    slots = asyncio.Semaphore(AT_ONCE)

    async def look(stored: StoredReference) -> LostAgreement | None:
        async with slots:
            return await _lost(client, store, stored)

    try:
        references = await stored_references(store, keys)
        on_read(_counted(references, keys))
        found = await asyncio.gather(*map(look, references))
    except StorageError as error:
        raise UnreachableError(f"{error}; retrying is safe") from None
    return sorted((lost for lost in found if lost is not None), key=lambda lost: lost.claimed_at)


def _counted(references: Sequence[StoredReference], keys: StoreKeys) -> str:
    """Say what the store has, so that an empty or a wrong one is seen."""
    scope = f"{keys.environment}/{keys.namespace}"
    if not references:
        return (
            f"the store has no reference of {scope}: check COUNTERSIGN_STORE, COUNTERSIGN_ENVIRONMENT and "
            "TEMPORAL_NAMESPACE"
        )
    ended = sum(stored.has_ended for stored in references)
    return f"the store has {number_of(len(references), 'reference')} of {scope}, {ended} of them ended"


async def recover_agreement(
    reference: str, *, task_queue: str | None = None, client: Client | None = None
) -> StartedAgreement:
    """Start a lost agreement again from its stored input; it finds its document, and sends none by itself.

    It takes over the claim of the lost one, with its tag. It adopts the document that a send recorded or that
    a search finds, checks it at once, and goes on. Without a document it waits for a person.

    Args:
        reference: The agreement's reference.
        task_queue: The task queue of the workers; by default from the settings.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: The reference is invalid, or the input cannot be read.
        RefusedError: The agreement is not lost: the store does not know it, it has ended, or Temporal has it.
        UnreachableError: Temporal or the store does not respond.
    """
    client = client or await shared_client()
    store, keys = open_own_store(client)
    try:
        workflow_id(reference)
        stored = await stored_reference(store, keys, reference)
        lost = await _lost(client, store, stored)
        if lost is None or stored.input_key is None:
            why = lost.obstacle if lost else "it has ended, Temporal has it, or it was never claimed"
            raise RefusedError(f"{reference} cannot be recovered: {why}")
        agreement = await unseal(await store.read(stored.input_key), client.data_converter)
        handed_on = json.dumps({"at": datetime.now(UTC).isoformat()}).encode()
        await put(store, keys.recovered(reference, stored.claim), handed_on)
    except InvalidReferenceError as error:
        raise BadInputError(str(error)) from None
    except UnreadableInputError:
        raise BadInputError(
            f"this process cannot read the input of {reference}: check COUNTERSIGN_ENCRYPTION_KEYS"
        ) from None
    except StorageError as error:
        raise UnreachableError(f"{reference}: {error}; retrying is safe") from None
    return await start_once(client, agreement, task_queue or load_settings(CountersignSettings).task_queue)


async def _lost(client: Client, store: Store, stored: StoredReference) -> LostAgreement | None:
    """Return what is known of a reference's lost agreement; None if there is none."""
    if not stored.claim or stored.has_ended or stored.is_released:
        return None
    status = await workflow_status(client, stored.reference)
    if status is not None and not (stored.is_handed_on and status is not WorkflowExecutionStatus.RUNNING):
        return None
    claim = json.loads(await store.read(stored.claim_key))
    return LostAgreement(
        reference=stored.reference,
        claimed_at=datetime.fromisoformat(claim["at"]),
        account=claim.get("account"),
        obstacle=await _obstacle(client, store, stored),
    )


async def _obstacle(client: Client, store: Store, stored: StoredReference) -> str | None:
    if stored.input_key is None:
        return "its input is not in the store"
    try:
        await unseal(await store.read(stored.input_key), client.data_converter)
    except UnreadableInputError:
        return "its input cannot be read: check COUNTERSIGN_ENCRYPTION_KEYS"
    return None


async def workflow_status(client: Client, reference: str) -> WorkflowExecutionStatus | None:
    """Return the status of an agreement's workflow; None if Temporal has none.

    Raises:
        UnreachableError: Temporal does not respond.
    """
    async with explained(reference):
        try:
            described = await client.get_workflow_handle(workflow_id(reference)).describe(
                rpc_timeout=RPC_TIMEOUT
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or error.message.startswith("Namespace "):
                raise
            return None
        return described.status
