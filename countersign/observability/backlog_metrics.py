"""What waits in Temporal: agreements by what they wait for, and tasks that no worker has taken yet.

Asked for when somebody looks, and not more often than every so many seconds: neither counting nor describing
is a billable action. Every worker tells the same, so take the maximum over them, never the sum.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError

from countersign.observability.metrics import (
    AGREEMENTS_NEED_ATTENTION,
    AGREEMENTS_RUNNING,
    AGREEMENTS_STUCK,
    BACKLOG,
    BACKLOG_AGE,
)
from countersign.task_queues import Kind, describe_task_queue

_GAUGES: Final = (AGREEMENTS_NEED_ATTENTION, AGREEMENTS_RUNNING, AGREEMENTS_STUCK, BACKLOG, BACKLOG_AGE)
_TIMEOUT: Final = timedelta(seconds=2)
_WAIT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Queue:
    """A task queue and a kind of task on it, with what waits there as of the last look."""

    task_queue: str
    kind: Kind
    backlog: int | None = None
    oldest_seconds: float | None = None


class BacklogMetrics:
    """Counts what waits, at most every `seconds`.

    Args:
        client: Where.
        workflow_type: Whose executions are counted.
        waiting_for: The values of their search attribute `WaitingFor`.
        queues: The queues that matter.
        seconds: How old an answer may get.
    """

    def __init__(
        self,
        client: Client,
        *,
        workflow_type: str,
        waiting_for: tuple[str, ...],
        queues: tuple[Queue, ...],
        seconds: float,
    ) -> None:
        self._client = client
        self._running = f"WorkflowType = '{workflow_type}' AND ExecutionStatus = 'Running'"
        self._waiting_for = waiting_for
        self._wanted = queues
        self._seconds = seconds
        self._again_at = 0.0
        self._asking: asyncio.Task[None] | None = None
        self.queues = queues

    async def refresh(self) -> None:
        """Bring the gauges up to date; while Temporal does not answer there are none rather than old ones.

        Whoever looks is not made to wait for a Temporal that is slow: the numbers come in then with the next
        look.
        """
        if self._asking is None or (self._asking.done() and time.monotonic() >= self._again_at):
            self._again_at = time.monotonic() + self._seconds
            self._asking = asyncio.create_task(self._ask_or_clear(), name="backlog-metrics")
        await asyncio.wait([self._asking], timeout=_WAIT)

    async def _ask_or_clear(self) -> None:
        try:
            await self._ask()
        except (RPCError, RuntimeError):  # RuntimeError: a lazy client that cannot connect
            self.queues = self._wanted
            for gauge in _GAUGES:
                gauge.clear()

    async def _ask(self) -> None:
        self.queues = tuple(await asyncio.gather(*map(self._describe, self._wanted)))
        waiting = await asyncio.gather(
            *(self._count(f"WaitingFor = '{cause}'") for cause in self._waiting_for)
        )
        attention = await self._count("NeedsAttention = true")
        stuck = await self._count("TemporalReportedProblems IS NOT NULL")
        for queue in self.queues:
            BACKLOG.labels(queue.task_queue, queue.kind).set(queue.backlog or 0)
            BACKLOG_AGE.labels(queue.task_queue, queue.kind).set(queue.oldest_seconds or 0)
        for name, count in zip(self._waiting_for, waiting, strict=True):
            AGREEMENTS_RUNNING.labels(name).set(count)
        AGREEMENTS_NEED_ATTENTION.labels(self._client.namespace).set(attention)
        AGREEMENTS_STUCK.labels(self._client.namespace).set(stuck)

    async def _count(self, condition: str) -> int:
        query = f"{self._running} AND {condition}"
        return (await self._client.count_workflows(query, rpc_timeout=_TIMEOUT)).count

    async def _describe(self, queue: Queue) -> Queue:
        answer = await describe_task_queue(self._client, queue.task_queue, queue.kind, patience=_TIMEOUT)
        stats = answer.stats
        age = stats.approximate_backlog_age.ToTimedelta().total_seconds()
        return Queue(queue.task_queue, queue.kind, stats.approximate_backlog_count, age)
