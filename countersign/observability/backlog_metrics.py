"""Counts of waiting work: agreements by what they wait for, tasks that no worker has started, watchers.

A request for the metrics refreshes the counts, at most every few seconds. Neither counting workflows nor
describing a task queue is a billable action. Every worker reports the same counts, so take the maximum over
the workers, never the sum.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError

from countersign.observability.metrics import (
    AGREEMENTS_NEED_ATTENTION,
    AGREEMENTS_RUNNING,
    AGREEMENTS_STUCK,
    BACKLOG,
    BACKLOG_AGE,
    WATCHER_SILENT,
)
from countersign.task_queues import Kind, describe_task_queue
from countersign.watchers import watcher_state

_GAUGES: Final = (
    AGREEMENTS_NEED_ATTENTION,
    AGREEMENTS_RUNNING,
    AGREEMENTS_STUCK,
    BACKLOG,
    BACKLOG_AGE,
    WATCHER_SILENT,
)
_TIMEOUT: Final = timedelta(seconds=2)
_WAIT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Queue:
    """A task queue, a kind of task, and the waiting tasks of this kind at the last refresh.

    `account` is the one whose provider its tasks call; empty if they call none.
    """

    task_queue: str
    kind: Kind
    account: str = ""
    backlog: int | None = None
    oldest_seconds: float | None = None


class BacklogMetrics:
    """Counts waiting work and sets the gauges.

    Args:
        client: The connection to the agreements' namespace.
        workflow_type: The type of the workflows to count.
        waiting_for: The values of their search attribute `WaitingFor`.
        queues: The task queues to describe.
        seconds: How long counts are reused.
        task_queue: The agreements' task queue.
        accounts: The accounts whose watchers to describe.
    """

    def __init__(
        self,
        client: Client,
        *,
        workflow_type: str,
        waiting_for: tuple[str, ...],
        queues: tuple[Queue, ...],
        seconds: float,
        task_queue: str,
        accounts: tuple[str, ...],
    ) -> None:
        self._client = client
        self._running = f"WorkflowType = '{workflow_type}' AND ExecutionStatus = 'Running'"
        self._waiting_for = waiting_for
        self._described = queues
        self._seconds = seconds
        self._task_queue = task_queue
        self._accounts = accounts
        self._next_refresh_at = 0.0
        self._refreshing: asyncio.Task[None] | None = None
        self.queues = queues

    async def refresh(self) -> None:
        """Update the gauges, or clear them if Temporal does not respond.

        Waits at most 0.5 s. If Temporal is slower, the next request gets the new counts.
        """
        if self._refreshing is None or (
            self._refreshing.done() and time.monotonic() >= self._next_refresh_at
        ):
            self._next_refresh_at = time.monotonic() + self._seconds
            self._refreshing = asyncio.create_task(self._count_or_clear(), name="backlog-metrics")
        await asyncio.wait([self._refreshing], timeout=_WAIT)

    async def _count_or_clear(self) -> None:
        try:
            await self._count_all()
        except (RPCError, RuntimeError):  # RuntimeError: a lazy client cannot connect
            self.queues = self._described
            for gauge in _GAUGES:
                gauge.clear()

    async def _count_all(self) -> None:
        self.queues = tuple(await asyncio.gather(*map(self._describe, self._described)))
        waiting = await asyncio.gather(
            *(self._count(f"WaitingFor = '{cause}'") for cause in self._waiting_for)
        )
        attention = await self._count("NeedsAttention = true")
        stuck = await self._count("TemporalReportedProblems IS NOT NULL")
        for queue in self.queues:
            labels = (queue.task_queue, queue.kind, queue.account)
            BACKLOG.labels(*labels).set(queue.backlog or 0)
            BACKLOG_AGE.labels(*labels).set(queue.oldest_seconds or 0)
        for name, count in zip(self._waiting_for, waiting, strict=True):
            AGREEMENTS_RUNNING.labels(name).set(count)
        AGREEMENTS_NEED_ATTENTION.labels(self._client.namespace).set(attention)
        AGREEMENTS_STUCK.labels(self._client.namespace).set(stuck)

        for account in self._accounts:
            state = await watcher_state(self._client, self._task_queue, account)
            silent = state.silent_for(datetime.now(UTC))
            WATCHER_SILENT.labels(account).set(silent.total_seconds())

    async def _count(self, condition: str) -> int:
        query = f"{self._running} AND {condition}"
        return (await self._client.count_workflows(query, rpc_timeout=_TIMEOUT)).count

    async def _describe(self, queue: Queue) -> Queue:
        description = await describe_task_queue(
            self._client, queue.task_queue, queue.kind, rpc_timeout=_TIMEOUT
        )
        stats = description.stats
        age = stats.approximate_backlog_age.ToTimedelta().total_seconds()
        return replace(queue, backlog=stats.approximate_backlog_count, oldest_seconds=age)
