"""Activities that start and void the agreements of a batch, chunk by chunk."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.common import Priority
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.batches import BULK_PRIORITY, ChunkRequest, ChunkResult, RefusedRow
from countersign.agreements.messages import AgreementInput
from countersign.agreements.reference import workflow_id
from countersign.agreements.search_attributes import BATCH
from countersign.client.errors import BadInputError, ReferenceTakenError
from countersign.client.references import StartedAgreement
from countersign.client.start import start_once
from countersign.storage import Store, put
from countersign.storage.store import StoreKeys

_AT_ONCE: Final = 8
"""Rows of a chunk that are started at once."""

Row = tuple[int, AgreementInput]


class BatchActivities:
    """Steps of a batch.

    Args:
        client: Starts and cancels agreements.
        store: Holds the rows.
        keys: Where in the store.
        task_queue: The task queue of the agreements.
    """

    def __init__(self, client: Client, store: Store, keys: StoreKeys, *, task_queue: str) -> None:
        self._client = client
        self._store = store
        self._keys = keys
        self._task_queue = task_queue

    @activity.defn
    async def start_chunk(self, request: ChunkRequest) -> ChunkResult:
        """Start the agreements of a chunk; those that were started before stay as they are.

        Raises:
            StorageError: The store failed.
            UnreachableError: Temporal does not respond.
        """
        refused: list[RefusedRow] = []
        started: list[StartedAgreement] = []
        priority = Priority(priority_key=BULK_PRIORITY, fairness_key=request.batch)

        async def start(row: Row) -> None:
            line, agreement = row
            try:
                started.append(
                    await start_once(
                        self._client, agreement, self._task_queue, batch=request.batch, priority=priority
                    )
                )
            except (BadInputError, ReferenceTakenError) as error:
                refused.append(RefusedRow(line=line, reference=agreement.reference, reason=str(error)))

        await self._run_over_rows(request, start)
        if refused:
            lines = sorted(refused, key=lambda row: row.line)
            content = "".join(f"{row.model_dump_json()}\n" for row in lines)
            key = self._keys.refused_rows(request.batch, request.table_sha256, request.chunk)
            await put(self._store, key, content.encode())
        existed = sum(one.already_running or one.already_ended for one in started)
        return ChunkResult(started=len(started) - existed, existed=existed, refused=len(refused))

    @activity.defn
    async def void_chunk(self, request: ChunkRequest) -> None:
        """Cancel the agreements of a chunk that this batch started, which voids their documents.

        What has ended stays. So does an agreement that somebody else started under a row's reference.

        Raises:
            StorageError: The store failed.
            RPCError: Temporal does not respond.
        """

        async def cancel(row: Row) -> None:
            handle = self._client.get_workflow_handle(workflow_id(row[1].reference))
            try:
                if (await handle.describe()).typed_search_attributes.get(BATCH) == request.batch:
                    await handle.cancel()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise

        await self._run_over_rows(request, cancel)

    async def _run_over_rows(self, request: ChunkRequest, work: Callable[[Row], Awaitable[None]]) -> None:
        key = self._keys.rows(request.batch, request.table_sha256, request.chunk)
        rows = [json.loads(line) for line in (await self._store.read(key)).splitlines()]
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            await asyncio.gather(
                *(work((row["line"], AgreementInput.model_validate(row["agreement"]))) for row in some)
            )
            activity.heartbeat(first + len(some))
