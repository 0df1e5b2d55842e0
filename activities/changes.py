"""Read what changed at the provider, and signal the agreements that missed it.

A signal that an agreement has received before costs an action, so what its history holds is not signalled
again. Reading histories, and listing workflows, costs none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import ThrottledHeartbeat
from activities.requests import Reading, ReadRequest, UnwatchRequest
from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.messages import Stage, Unwatched
from countersign.agreements.names import SIGNATURE_EVENT, UNWATCHED, WORKFLOW_NAME
from countersign.agreements.search_attributes import DOCUMENT_ID, STAGE
from countersign.providers.port import Change, SignatureProvider
from countersign.providers.retry_table import provider_errors
from countersign.webhooks.delivery import Markers

SETTLE: Final = timedelta(seconds=30)
"""How long a webhook may be under way before its event counts as missed."""

_ENDS: Final = frozenset(
    {
        EventKind.COMPLETED,
        EventKind.VOIDED,
        EventKind.DECLINED,
        EventKind.EXPIRED,
        EventKind.FINALIZATION_FAILED,
    }
)
_IDS_PER_QUERY: Final = 100


@dataclass(frozen=True, slots=True)
class _Received:
    """What an agreement's history holds: ids of events, and ends of documents."""

    event_ids: set[str] = field(default_factory=set)
    ends: set[tuple[str | None, str]] = field(default_factory=set)

    def add(self, event: SignatureEvent) -> None:
        self.event_ids.add(event.event_id)
        self.ends.add((event.document_id, event.kind))

    def holds(self, event: SignatureEvent) -> bool:
        is_known_end = event.kind in _ENDS and (event.document_id, event.kind) in self.ends
        return is_known_end or event.event_id in self.event_ids


class ChangeActivities:
    """Watches one account.

    Args:
        provider: The provider.
        account: The account's name.
        client: The connection to the agreements' namespace.
        markers: Finds agreements by their markers.
        task_queue: The agreements' task queue.
        interval: From one reading to the next; times the number of calls, if a reading takes several.
        time_scale: By what waits are divided, for tests.
    """

    def __init__(
        self,
        provider: SignatureProvider,
        account: str,
        client: Client,
        markers: Markers,
        *,
        task_queue: str,
        interval: timedelta,
        time_scale: float = 1,
    ) -> None:
        self._provider = provider
        self._account = account
        self._client = client
        self._markers = markers
        self._open = _open(account) + f" AND TaskQueue = '{task_queue}'"
        self._interval = interval
        self._time_scale = time_scale

    @activity.defn
    async def read_changes(self, request: ReadRequest) -> Reading:
        """Read what changed since the last reading, and signal what agreements have missed.

        Raises:
            ApplicationError: The provider's changes could not be read now; see
                `countersign/providers/retry_table.py`.
        """
        listed: dict[str, str] = {}
        heartbeat = ThrottledHeartbeat()

        async def open_documents() -> frozenset[str]:
            async for execution in self._client.list_workflows(self._open):
                if document_id := execution.typed_search_attributes.get(DOCUMENT_ID):
                    listed[document_id] = execution.id
            return frozenset(listed)

        at = datetime.now(UTC)
        with provider_errors():
            changes = await self._provider.changes(
                request.position,
                settle=SETTLE / self._time_scale,
                open_documents=open_documents,
                heartbeat=heartbeat.beat,
            )
        missed = await self._missed(self._by_workflow(changes.found, listed), heartbeat)
        signalled = 0
        for workflow_id, events in missed.items():
            signalled += await self._signal(workflow_id, events)
            heartbeat.beat()
        return Reading(
            position=dict(changes.position),
            at=at,
            next_in=self._interval * max(changes.calls, 1) / self._time_scale,
            signalled=signalled,
            blind=changes.blind,
            missed=changes.missed,
        )

    def _by_workflow(
        self, changes: Iterable[Change], listed: Mapping[str, str]
    ) -> Mapping[str, list[SignatureEvent]]:
        """Group the events that can be missing by their agreement.

        An end can be missing although it was delivered: to an address that is not ours.
        """
        found: dict[str, list[SignatureEvent]] = {}
        for change in changes:
            event = change.event
            workflow_id = listed.get(event.document_id or "") or self._markers.find(change.marker)
            if workflow_id is not None and (event.kind in _ENDS or not change.is_delivered):
                found.setdefault(workflow_id, []).append(event)
        return found

    async def _missed(
        self, by_workflow: Mapping[str, list[SignatureEvent]], heartbeat: ThrottledHeartbeat
    ) -> Mapping[str, list[SignatureEvent]]:
        """Keep the events that a running agreement of this account has not received and can use."""
        missed: dict[str, list[SignatureEvent]] = {}
        ids = list(by_workflow)
        for first in range(0, len(ids), _IDS_PER_QUERY):
            names = ", ".join(f"'{workflow_id}'" for workflow_id in ids[first : first + _IDS_PER_QUERY])
            query = f"{_open(self._account)} AND WorkflowId IN ({names})"
            async for execution in self._client.list_workflows(query):
                stage = execution.typed_search_attributes.get(STAGE)
                events = [event for event in by_workflow[execution.id] if _is_of_use(event, stage)]
                if not events:
                    continue
                received = await self._received(execution.id)
                if unknown := [event for event in events if not received.holds(event)]:
                    missed[execution.id] = unknown
                heartbeat.beat()
        return missed

    async def _received(self, workflow_id: str) -> _Received:
        """Read which events an agreement has received, webhooks' and ours, from its history."""
        received = _Received()
        async for entry in self._client.get_workflow_handle(workflow_id).fetch_history_events():
            signal = entry.workflow_execution_signaled_event_attributes
            if signal.signal_name == SIGNATURE_EVENT:
                (event,) = await self._client.data_converter.decode(
                    list(signal.input.payloads), [SignatureEvent]
                )
                received.add(event)
        return received

    async def _signal(self, workflow_id: str, events: Iterable[SignatureEvent]) -> int:
        """Signal an agreement; return how many events it took: none if it has ended meanwhile."""
        handle, taken = self._client.get_workflow_handle(workflow_id), 0
        for event in events:
            try:
                await handle.signal(SIGNATURE_EVENT, event.model_copy(update={"found_by": "watcher"}))
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
            else:
                taken += 1
        return taken


def _open(account: str) -> str:
    return (
        f"WorkflowType = '{WORKFLOW_NAME}' AND ExecutionStatus = 'Running' AND ProviderAccount = '{account}'"
    )


def _is_of_use(event: SignatureEvent, stage: str | None) -> bool:
    """Return whether a late event is worth its action: an end, a signature, or the end of a review."""
    if event.kind == EventKind.SENT:
        return stage == Stage.IN_REVIEW
    return event.kind in _ENDS or event.kind == EventKind.RECIPIENT_SIGNED


class UnwatchActivities:
    """Makes agreements check by themselves. Needs no provider, so it works while the circuit is open.

    Args:
        client: The connection to the agreements' namespace.
        task_queue: The agreements' task queue.
    """

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    @activity.defn
    async def unwatch(self, request: UnwatchRequest) -> int:
        """Signal an account's open agreements; returns how many."""
        query = f"{_open(request.account)} AND TaskQueue = '{self._task_queue}'"
        news, count, heartbeat = Unwatched(at=datetime.now(UTC)), 0, ThrottledHeartbeat()
        async for execution in self._client.list_workflows(query):
            try:
                await self._client.get_workflow_handle(execution.id).signal(UNWATCHED, news)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended meanwhile
                    raise
            else:
                count += 1
            heartbeat.beat(count)
        return count
