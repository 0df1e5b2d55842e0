"""Find problems that operators are notified of, and deliver the notices.

Problems are read from Temporal and from this process's circuits; no look is a call to a provider.
"""

import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.requests import DeliverNoticeRequest, Findings, FindProblemsRequest, Reading
from countersign.agreements.failures import NOT_DELIVERED
from countersign.agreements.messages import Outcome, Stage, WaitingFor
from countersign.agreements.names import watcher_id
from countersign.agreements.notices import Digest, Problem, ProblemKind
from countersign.agreements.search_attributes import WAITING_FOR
from countersign.agreements.times import format_time
from countersign.client.listing import (
    agreement_page,
    agreement_query,
    count_agreements,
    count_by_stage,
    list_agreements,
)
from countersign.notices.delivery import NoticeSender
from countersign.notices.errors import NotDeliveredError
from countersign.providers import retry_after
from countersign.providers.circuit import Circuit, State
from countersign.settings.notices import NoticeSettings
from countersign.watchers import watcher_state

_log = logging.getLogger(__name__)

NAMED: Final = 200
"""Agreements of one kind of problem that a look names: they stand in the history of the workflow."""
SILENT: Final = timedelta(minutes=15)
"""How long a watcher may lose sight, as the alert `WatcherSilent` has it."""
REMEMBERED: Final = timedelta(days=1)
"""How long an event that no webhook brought is a problem: where few agreements run, few events follow it."""
_READINGS: Final = 100
"""Events of a watcher's history that a look reads at once: those of about nine readings."""
_DAY: Final = timedelta(days=1)
_OLDEST: Final = 5
_LONGEST_RETRY_AFTER: Final = 3600.0


class ProblemActivities:
    """Finds problems.

    Args:
        client: The connection to the agreements' namespace.
        task_queue: The agreements' task queue.
        accounts: The names of all accounts.
        circuits: The circuits of this process, by account.
        settings: Which channels there are, and when the digest is due.
    """

    def __init__(
        self,
        client: Client,
        task_queue: str,
        accounts: Collection[str],
        circuits: Mapping[str, Circuit],
        settings: NoticeSettings,
    ) -> None:
        self._client = client
        self._task_queue = task_queue
        self._here = f"TaskQueue = '{task_queue}'"
        self._accounts = accounts
        self._circuits = circuits
        self._settings = settings

    @activity.defn
    async def find_problems(self, request: FindProblemsRequest) -> Findings:
        """Look for problems, and make the digest if it is due."""
        at = datetime.now(UTC)
        if request.channel not in self._settings.channels():
            return Findings(at=at, is_on=False)
        problems, unsure = list(self._blocked()), self._unserved()
        for kind, query in (
            (ProblemKind.NEEDS_ATTENTION, agreement_query(needs_attention=True, where=self._here)),
            (ProblemKind.STUCK, agreement_query(stuck=True, where=self._here)),
        ):
            page = await agreement_page(query, limit=NAMED, client=self._client)
            problems += [Problem(kind=kind, subject=entry.reference) for entry in page.agreements]
            if page.cursor is not None:
                unsure.append(f"{kind}:")
        problems += [problem async for problem in self._silent(at)]
        since = max(request.looked_at or at, at - REMEMBERED)
        missed_at = {
            account: last
            for account in self._accounts
            if (last := await self._missed(account, request.missed_at.get(account), since)) is not None
            and at - last < REMEMBERED
        }
        problems += [Problem(kind=ProblemKind.WEBHOOKS_MISSED, subject=account) for account in missed_at]
        return Findings(
            at=at,
            problems=tuple(problems),
            unsure=tuple(unsure),
            missed_at=missed_at,
            digest=await self._digest(at) if self._is_due(request.digested_at, at) else None,
        )

    def _blocked(self) -> Iterable[Problem]:
        for account, circuit in self._circuits.items():
            snapshot = circuit.snapshot()
            if snapshot.state is State.BLOCKED:
                yield Problem(kind=ProblemKind.ACCOUNT_BLOCKED, subject=account, detail=snapshot.reason)

    def _unserved(self) -> list[str]:
        """Return the keys of blocked accounts that another process serves."""
        others = [account for account in self._accounts if account not in self._circuits]
        return [Problem(kind=ProblemKind.ACCOUNT_BLOCKED, subject=account).key for account in others]

    async def _silent(self, at: datetime) -> AsyncIterator[Problem]:
        for account in self._accounts:
            state = await watcher_state(self._client, self._task_queue, account)
            if state.silent_for(at) > SILENT:
                detail = f"{state.lack}, since {format_time(state.since)}"
                yield Problem(kind=ProblemKind.WATCHER_SILENT, subject=account, detail=detail)

    async def _missed(self, account: str, before: datetime | None, since: datetime) -> datetime | None:
        """Return when an account's watcher last found an event that no webhook had brought.

        A webhook that arrives makes no reading find it, so the readings of the watcher's history say which
        did not. Reading a history is no billable action.
        """
        events = [event async for event in self._recorded(watcher_id(self._task_queue, account), since)]
        found = [before] if before is not None else []
        scheduled = {
            (run_id, event.event_id)
            for run_id, event in events
            if event.activity_task_scheduled_event_attributes.activity_type.name == "read_changes"
        }
        for run_id, event in events:
            completed = event.activity_task_completed_event_attributes
            if (run_id, completed.scheduled_event_id) in scheduled:
                payloads = list(completed.result.payloads)
                (reading,) = await self._client.data_converter.decode(payloads, [Reading])
                found += [reading.at] if reading.signalled else []
        return max(found, default=None)

    async def _recorded(self, watcher: str, since: datetime) -> AsyncIterator[tuple[str, HistoryEvent]]:
        """Yield a watcher's events with their run, the newest first, over all its runs back to a time."""
        run_id, token = "", b""
        while True:
            try:
                page = await self._client.workflow_service.get_workflow_execution_history_reverse(
                    GetWorkflowExecutionHistoryReverseRequest(
                        namespace=self._client.namespace,
                        execution=WorkflowExecution(workflow_id=watcher, run_id=run_id),
                        maximum_page_size=_READINGS,
                        next_page_token=token,
                    )
                )
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return
            for event in page.history.events:
                yield run_id, event
            oldest, token = page.history.events[-1], page.next_page_token
            if oldest.event_time.ToDatetime(tzinfo=UTC) < since:
                return
            if not token:
                run_id = oldest.workflow_execution_started_event_attributes.continued_execution_run_id
                if not run_id:
                    return

    def _is_due(self, digested_at: datetime | None, at: datetime) -> bool:
        if digested_at is None:
            return False
        today = datetime.combine(at, time.fromisoformat(self._settings.digest_at), UTC)
        return digested_at < (today if today <= at else today - _DAY)

    async def _digest(self, at: datetime) -> Digest:
        now = await count_by_stage(agreement_query(where=self._here), client=self._client)
        lately = f"{self._here} AND CloseTime > '{(at - _DAY).isoformat()}'"
        ends = await count_by_stage(agreement_query(ended=True, where=lately), client=self._client)
        failed = await count_agreements(agreement_query(failed=True, where=lately), client=self._client)
        waiting = await list_agreements(
            where=f"{self._here} AND {WAITING_FOR.name} = '{WaitingFor.SIGNATURES}'",
            limit=_OLDEST,
            client=self._client,
        )
        finals = {str(end): ends[Stage(end)] for end in Outcome}
        return Digest(
            running=_positive({str(stage): count for stage, count in now.items()}),
            ended=_positive({**finals, "failed": failed}),
            longest_waiting=tuple(entry.reference for entry in waiting),
            waiting_since=waiting[0].started_at if waiting else None,
        )


class NoticeActivities:
    """Delivers notices.

    Args:
        sender: Delivers one.
    """

    def __init__(self, sender: NoticeSender) -> None:
        self._sender = sender

    @activity.defn
    async def deliver_notice(self, request: DeliverNoticeRequest) -> None:
        """Deliver a notice, once; Temporal repeats it.

        Raises:
            ApplicationError: `NotDelivered`.
        """
        given = {"channel": request.channel, "type": request.notice.type, "notice_id": request.notice_id}
        try:
            await self._sender.deliver(request.channel, request.notice, request.notice_id)
        except NotDeliveredError as error:
            _log.warning("notice not delivered", extra={**given, "problem": str(error)})
            raise ApplicationError(
                str(error), type=NOT_DELIVERED, next_retry_delay=_wait(error.retry_after)
            ) from None
        _log.info("notice delivered", extra=given)


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _wait(header: str | None) -> timedelta | None:
    if header is None:
        return None
    seconds = retry_after.seconds_to_wait(header, now=datetime.now(UTC), limit=_LONGEST_RETRY_AFTER)
    return None if seconds is None else timedelta(seconds=seconds)
