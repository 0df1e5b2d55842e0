"""What is known of an account's watcher, the workflow that reads what changed at the provider.

Temporal alone is asked, and neither of its calls is a billable action: the workflow's memo says whether the
changes can be read, and the time of its newest event whether it still runs.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.names import WATCHER_MEMO, watcher_id

SILENCE: Final = timedelta(minutes=5)
"""How long after its next step is due a watcher counts as silent."""
_REUSED: Final = timedelta(seconds=30)
_TIMEOUT: Final = timedelta(seconds=1)
"""For one of two calls: a claim, which waits for both, has three seconds."""


@dataclass(frozen=True, slots=True)
class WatcherState:
    """Whether a watcher reads what changes.

    Args:
        lack: Why it does not, in one clause; None if it does.
        since: Since when it does, or does not, where that is known.
        is_lost: It did before.
    """

    lack: str | None
    since: datetime | None = None
    is_lost: bool = False

    def silent_for(self, now: datetime) -> timedelta:
        """How long it has not read what changes, though it did before."""
        return now - self.since if self.is_lost and self.since else timedelta(0)


async def watcher_state(
    client: Client, task_queue: str, account: str, *, silence: timedelta = SILENCE
) -> WatcherState:
    """Find out whether an account's watcher reads what changes: two calls to Temporal.

    Args:
        client: The connection to the agreements' namespace.
        task_queue: The agreements' task queue.
        account: The account's name.
        silence: How long it may be overdue.

    Raises:
        RPCError: Temporal does not respond.
    """
    try:
        found = await client.get_workflow_handle(watcher_id(task_queue, account)).describe(
            rpc_timeout=_TIMEOUT
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return WatcherState("no worker has started it")
    if found.status is not WorkflowExecutionStatus.RUNNING:
        lack = "it was stopped; the next worker that starts will start it"
        return WatcherState(lack, found.close_time, is_lost=True)
    memo: Mapping[str, Any] = await found.memo_value(WATCHER_MEMO, default={})
    if not memo:
        return WatcherState("it has not read anything yet", found.start_time)
    since = datetime.fromisoformat(memo["since"])
    if memo["blind"]:
        return WatcherState(memo["blind"], since, is_lost=memo["could_read"])
    due = _due(await _newest_event(client, found.id, found.run_id))
    if datetime.now(UTC) - due > silence:
        return WatcherState("it is silent", due, is_lost=True)
    return WatcherState(None, since)


async def _newest_event(client: Client, workflow_id: str, run_id: str) -> HistoryEvent:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        maximum_page_size=1,
    )
    response = await client.workflow_service.get_workflow_execution_history_reverse(request, timeout=_TIMEOUT)
    return response.history.events[0]


def _due(event: HistoryEvent) -> datetime:
    """Return when the step after an event is due: at once, or when its timer fires."""
    at = event.event_time.ToDatetime(UTC)
    if event.HasField("timer_started_event_attributes"):
        return at + event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
    return at


class Watchers:
    """Remembers for half a minute whether accounts are watched.

    Args:
        client: The connection to the agreements' namespace.
        task_queue: The agreements' task queue.
        time_scale: By what to divide the times, for tests.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        client: Client,
        task_queue: str,
        *,
        time_scale: float = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._task_queue = task_queue
        self._silence = SILENCE / time_scale
        self._reused = (_REUSED / time_scale).total_seconds()
        self._clock = clock
        self._known: dict[str, tuple[float, bool]] = {}

    async def is_watching(self, account: str) -> bool:
        """Whether an account's watcher reads what changes; False if Temporal does not respond."""
        until, known = self._known.get(account, (0.0, False))
        if self._clock() < until:
            return known
        try:
            state = await watcher_state(self._client, self._task_queue, account, silence=self._silence)
        except RPCError:
            return False
        self._known[account] = (self._clock() + self._reused, state.lack is None)
        return state.lack is None
