"""BulkWorkflow: start the agreements of a table, chunk by chunk, and void them if it is cancelled so.

The rows are in the store, so that neither history nor memory grows with the table. Starting an agreement
twice is starting it once, so a chunk is repeated whole after any failure.
"""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityConfig

from countersign.agreements.batches import (
    BULK_PRIORITY,
    BULK_WORKFLOW,
    BatchInput,
    BatchProgress,
    ChunkRequest,
)

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities

CHUNKS_PER_RUN: Final = 100
"""Chunks after which it continues as new: some 700 events."""
_ATTEMPT: Final = timedelta(minutes=10)
_SILENCE: Final = timedelta(minutes=1)
_TOTAL: Final = timedelta(days=30)


@workflow.defn(name=BULK_WORKFLOW)
class BulkWorkflow:
    """Start every row of a batch, once."""

    @workflow.init
    def __init__(self, batch: BatchInput) -> None:
        """Go on where an earlier run stopped."""
        self._batch = batch
        self._progress = batch.progress
        self._paused = batch.paused
        self._cancelled = False
        self._void = False

    @workflow.run
    async def run(self, batch: BatchInput) -> BatchProgress:
        """Start the rows; return what became of them.

        Args:
            batch: The batch. Its rows and their files are in the store.
        """
        for chunk in range(batch.next_chunk, batch.chunks):
            await workflow.wait_condition(lambda: not self._paused or self._cancelled)
            if self._cancelled:
                break
            await self._start(chunk)
            is_long = chunk + 1 - batch.next_chunk >= CHUNKS_PER_RUN
            if is_long and chunk + 1 < batch.chunks and not self._cancelled:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(
                    batch.model_copy(
                        update={
                            "next_chunk": chunk + 1,
                            "progress": self._progress,
                            "paused": self._paused,
                        }
                    )
                )
        if self._void:
            await self._void_started()
        return self.progress()

    async def _start(self, chunk: int) -> None:
        result = await workflow.execute_activity_method(
            BatchActivities.start_chunk, self._request(chunk), **self._config("start", chunk)
        )
        self._progress = self._progress.model_copy(
            update={
                "started": self._progress.started + result.started,
                "existed": self._progress.existed + result.existed,
                "refused": self._progress.refused + result.refused,
            }
        )

    async def _void_started(self) -> None:
        for chunk in range(self._batch.chunks):
            await workflow.execute_activity_method(
                BatchActivities.void_chunk, self._request(chunk), **self._config("void", chunk)
            )

    def _request(self, chunk: int) -> ChunkRequest:
        return ChunkRequest(batch=self._batch.batch, table_sha256=self._batch.table_sha256, chunk=chunk)

    def _config(self, verb: str, chunk: int) -> ActivityConfig:
        return {
            "start_to_close_timeout": _ATTEMPT,
            "schedule_to_close_timeout": _TOTAL,
            "heartbeat_timeout": _SILENCE,
            "retry_policy": _RETRY,
            "priority": Priority(priority_key=BULK_PRIORITY, fairness_key=self._batch.batch),
            "summary": f"{verb} rows, part {chunk + 1} of {self._batch.chunks}",
        }

    @workflow.query(description="How many rows were started, existed before, or were refused.")
    def progress(self) -> BatchProgress:
        """Return how far the batch has come."""
        return self._progress.model_copy(update={"paused": self._paused, "cancelled": self._cancelled})

    @workflow.signal(description="Start no further rows until it is resumed.")
    def pause(self) -> None:
        """Pause after the chunk that is being started."""
        self._paused = True

    @workflow.signal(description="Go on after a pause.")
    def resume(self) -> None:
        """Go on."""
        self._paused = False

    @workflow.signal(description="Start no further rows; void the agreements that were started, if told so.")
    def cancel(self, void: bool) -> None:  # noqa: FBT001  # a signal's argument
        """Stop, and void what was started or leave it."""
        self._cancelled = True
        self._void = void


_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)
