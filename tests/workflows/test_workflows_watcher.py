"""One watcher per account reads what changed; agreements check seldom while it can, often if it cannot."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment, TimeSkipper

from activities.changes import ChangeActivities
from activities.requests import Reading, ReadRequest
from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.messages import AgreementResult, Outcome
from countersign.agreements.names import DEFAULT_ACCOUNT, watcher_id
from countersign.agreements.reference import Marker, workflow_id
from countersign.agreements.search_attributes import DOCUMENT_ID
from countersign.providers.circuit import Circuit, CircuitRules, State
from countersign.providers.errors import ProviderError, UnavailableError
from countersign.providers.port import Change, Changes
from countersign.providers.turbodocx.changes import changes
from countersign.providers.turbodocx.models import Webhook, WebhookDeliveries, WebhookDelivery
from countersign.providers.turbodocx.subscription import WebhookCalls
from countersign.providers.turbodocx.webhook import KINDS, TurboDocxWebhookAdapter
from countersign.settings import CountersignSettings
from countersign.watchers import Watchers, WatcherState, watcher_state
from countersign.webhooks.delivery import Markers
from devstack.sandbox import Sandbox, SandboxError
from tests.watching import PATIENCE, Watching, signalled, watching
from tests.workflows.office import ADA, Handle, Office, an_agreement, open_office
from worker import start_watchers
from workflows.agreement.policies import HOURLY, until_next_check

pytestmark = pytest.mark.thorough

LOG: Final = "/api/webhooks/signature/deliveries"
NOWHERE: Final = "http://127.0.0.1:9/webhooks"
DAY: Final = timedelta(days=1)


@pytest_asyncio.fixture
async def recorded(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """A sandbox that records all events and delivers none."""
    await sandbox.subscribe(NOWHERE)
    yield sandbox
    await sandbox.call("DELETE", "/_sandbox/faults")
    with suppress(SandboxError):
        await sandbox.call("DELETE", "/api/webhooks/signature")


def lose(*rules: Mapping[str, object]) -> dict[str, list[Mapping[str, object]]]:
    """Faults that drop every webhook, and others."""
    return {"webhooks": [{"do": "drop", "times": None}], "api": list(rules)}


REFUSE_LOG: Final = {"path": "/api/webhooks/*", "do": "status", "status": 403, "body": "", "times": None}


REFUSED: Final = "the API key may not read the delivery log (403)"


def test_a_watched_agreement_checks_after_a_week_then_every_month() -> None:
    month = 30 * DAY
    assert [until_next_check(checks, month, watched=True) for checks in range(4)] == [7 * DAY, *[month] * 3]
    assert until_next_check(0, DAY, watched=True) == DAY, "the setting limits it"
    assert until_next_check(HOURLY + 100, month) == DAY, "one that is not watched checks daily at least"


def test_a_reading_that_fails_does_not_open_the_circuit() -> None:
    circuit = Circuit(CircuitRules(failures=2))
    for counts, state in [(False, State.CLOSED), (True, State.OPEN)]:
        for _ in range(5):
            with suppress(ProviderError), circuit.guard("read", counts=counts):
                raise UnavailableError("it fails", operation="read")
        assert circuit.snapshot().state is state


async def test_a_key_that_may_not_read_the_log_leaves_agreements_to_their_own_checks(
    client: Client, time_skipper: TimeSkipper, recorded: Sandbox, tmp_path: Path
) -> None:
    await recorded.call("PUT", "/_sandbox/faults", lose(REFUSE_LOG))
    async with open_office(client, time_skipper, recorded, tmp_path, time_scale=50) as office:
        await start_watchers(client, office.settings, [DEFAULT_ACCOUNT])
        watcher = Watching(client, office.settings, DEFAULT_ACCOUNT)
        await office.eventually(watcher.state, lambda state: state.lack == REFUSED)
        handle = await office.start()
        await office.sign_all(await office.sent(handle))
        result = await office.result(handle)
        await watcher.handle.terminate()
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "poll")


async def test_agreements_check_by_themselves_once_the_watcher_has_lost_sight(
    client: Client, time_skipper: TimeSkipper, recorded: Sandbox, tmp_path: Path
) -> None:
    await recorded.call("PUT", "/_sandbox/faults", lose())
    async with (
        open_office(client, time_skipper, recorded, tmp_path, time_scale=100) as office,
        watching(client, office.settings, DEFAULT_ACCOUNT) as watcher,
    ):
        handle = await office.start()
        await office.sent(handle)
        assert await _check_in(office, handle) > timedelta(hours=1)
        await recorded.call("PUT", "/_sandbox/faults", lose(REFUSE_LOG))
        await office.until(handle, lambda status: _until(status.next_check_at) < timedelta(minutes=5))
        assert (await watcher.state()).lack == REFUSED
        assert (await watcher.state()).is_lost
        await handle.terminate()


async def test_a_watcher_can_be_cancelled_while_it_reads(
    client: Client, time_skipper: TimeSkipper, recorded: Sandbox, tmp_path: Path
) -> None:
    hang = {"path": "/api/webhooks/*", "do": "latency", "seconds": 600, "times": None}
    async with open_office(client, time_skipper, recorded, tmp_path, time_scale=100) as office:
        async with watching(client, office.settings, DEFAULT_ACCOUNT) as watcher:
            await recorded.call("PUT", "/_sandbox/faults", lose(hang))
            await office.eventually(watcher.is_reading, bool)
            await watcher.handle.cancel()
            with pytest.raises(WorkflowFailureError) as ended:
                await watcher.handle.result()
        assert isinstance(ended.value.cause, CancelledError)


async def test_an_agreement_learns_at_its_next_check_that_it_is_watched(
    client: Client, time_skipper: TimeSkipper, recorded: Sandbox, tmp_path: Path
) -> None:
    async with open_office(client, time_skipper, recorded, tmp_path, time_scale=20) as office:
        handle = await office.start()
        await office.sent(handle)
        assert await _check_in(office, handle) < timedelta(minutes=1)
        async with watching(client, office.settings, DEFAULT_ACCOUNT):
            await office.until(handle, lambda status: _until(status.next_check_at) > timedelta(hours=1))
        await handle.terminate()


async def test_an_end_that_the_provider_does_not_confirm_is_checked_soon(
    client: Client, time_skipper: TimeSkipper, recorded: Sandbox, tmp_path: Path
) -> None:
    async with (
        open_office(client, time_skipper, recorded, tmp_path) as office,
        watching(client, office.settings, DEFAULT_ACCOUNT),
    ):
        handle = await office.start()
        document_id = await office.sent(handle)
        assert await _check_in(office, handle) > DAY
        await office.deliver_event(handle, EventKind.VOIDED, document_id)
        await office.until(handle, lambda status: _until(status.next_check_at) < timedelta(hours=2))
        await handle.terminate()


class Log(WebhookCalls):
    """A delivery log with completions at given times, newest first."""

    def __init__(self, *minutes_ago: float) -> None:
        self.rows = tuple(map(_completion, sorted(minutes_ago)))
        self.calls = 0

    async def get(self) -> Webhook:
        return Webhook(events=tuple(KINDS))

    async def deliveries(
        self, *, limit: int = 20, offset: int = 0, event_type: str | None = None
    ) -> WebhookDeliveries:
        assert event_type is None
        self.calls += 1
        return WebhookDeliveries(results=self.rows[offset : offset + limit])


async def test_the_log_is_read_on_from_the_position_and_without_what_is_under_way() -> None:
    log = Log(0.1, 2, 50, 100, *(200 + number / 10 for number in range(500)))
    position = {"since": (datetime.now(UTC) - timedelta(minutes=90)).isoformat()}
    first = await _changes(log, position)
    assert [change.event.event_id for change in first.found] == ["evt_50", "evt_2"]
    assert (first.calls, log.calls) == (2, 1), "the subscription, and one page of the log"
    second = await _changes(log, first.position)
    assert [change.event.event_id for change in second.found] == ["evt_2"], "the newest one is seen twice"
    assert second.calls == 1
    far = await _changes(log, {"since": (datetime.now(UTC) - timedelta(minutes=225)).isoformat()})
    assert len(far.found) == 3 + 253
    assert far.calls == 4


async def _changes(log: Log, position: Mapping[str, str]) -> Changes:
    return await changes(
        log,
        TurboDocxWebhookAdapter(),
        position,
        settle=timedelta(seconds=30),
        heartbeat=lambda _calls: None,
    )


def _completion(minutes_ago: float) -> WebhookDelivery:
    at = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    payload = {
        "event": "signature.document.completed",
        "event_id": f"evt_{minutes_ago:g}",
        "created_at": at,
        "data": {"document_id": f"d-{minutes_ago:g}", "title": "A contract"},
    }
    return WebhookDelivery(id=f"r-{minutes_ago:g}", created_on=at, payload=payload)


async def test_a_watcher_catches_up_after_its_worker_was_away(
    client: Client, time_skipper: TimeSkipper, recorded: Sandbox, tmp_path: Path
) -> None:
    await recorded.call("PUT", "/_sandbox/faults", lose())
    given: dict[str, Any] = {"task_queue": uuid.uuid4().hex, "time_scale": 20}
    async with open_office(client, time_skipper, recorded, tmp_path, **given) as office:
        await start_watchers(client, office.settings, [DEFAULT_ACCOUNT])
        watcher = Watching(client, office.settings, DEFAULT_ACCOUNT)
        await watcher.until(watches=True)
        handle = await office.start()
        document_id = await office.sent(handle)
    await office.sign_all(document_id)
    async with open_office(client, time_skipper, recorded, tmp_path, **given) as office:
        result = await office.result(handle)
        await watcher.handle.terminate()
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "watcher")


async def test_accounts_have_a_watcher_of_their_own_which_is_started_once(client: Client) -> None:
    settings = CountersignSettings(task_queue=uuid.uuid4().hex)
    names = ("turbodocx", "uk")
    runs = []
    for _ in range(2):
        await start_watchers(client, settings, names)
        handles = [client.get_workflow_handle(watcher_id(settings.task_queue, name)) for name in names]
        found = [await handle.describe() for handle in handles]
        assert {one.status for one in found} == {WorkflowExecutionStatus.RUNNING}
        runs.append([one.run_id for one in found])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == len(names)
    for handle in handles:
        await handle.terminate()


async def test_a_watcher_that_stands_still_is_not_relied_on(client: Client) -> None:
    queue = uuid.uuid4().hex
    assert await watcher_state(client, queue, "uk") == WatcherState("no worker has started it")
    await start_watchers(client, CountersignSettings(task_queue=queue), ["uk"])
    handle = client.get_workflow_handle(watcher_id(queue, "uk"))
    assert (await watcher_state(client, queue, "uk")).lack == "it has not read anything yet"
    assert not await Watchers(client, queue).is_watching("uk")
    await handle.terminate()
    assert "was stopped" in str((await watcher_state(client, queue, "uk")).lack)


async def test_silence_counts_from_when_the_next_step_was_due(
    client: Client, time_skipper: TimeSkipper, recorded: Sandbox, tmp_path: Path
) -> None:
    async with (
        open_office(client, time_skipper, recorded, tmp_path) as office,
        watching(client, office.settings, DEFAULT_ACCOUNT) as watcher,
    ):
        await watcher.read_again(-1)
        assert (await watcher.state(timedelta(0))).lack is None, "it sleeps for a minute"
        assert (await watcher.state(timedelta(minutes=-5))).lack == "it is silent"


class FakeProvider:
    """Reports given changes."""

    def __init__(self) -> None:
        self.changed: list[Change] = []

    async def changes(self, position: Mapping[str, str], **_: Any) -> Changes:
        return Changes(found=tuple(self.changed), position=position)


async def test_only_what_a_running_agreement_has_missed_is_signalled(office: Office) -> None:
    agreement = an_agreement()
    handle = await office.start(agreement)
    document_id = await office.sent(handle)
    await office.until(handle, lambda status: status.sent_at is not None)
    marker = _marker(office, agreement.reference)
    provider = FakeProvider()

    async def read(account: str = DEFAULT_ACCOUNT, **event: Any) -> list[SignatureEvent]:
        """Report one event; return what the agreement was signalled by the watcher."""
        delivered = event.pop("is_delivered", False)
        event = {"event_id": f"evt_{uuid.uuid4().hex}", "document_id": document_id, **event}
        provider.changed = [Change(SignatureEvent.model_validate(event), marker, delivered)]
        activities = ChangeActivities(
            provider,  # type: ignore[arg-type]  # the one method that is used
            account,
            office.client,
            Markers(environment=office.settings.environment, namespace=office.client.namespace),
            task_queue=office.task_queue,
            interval=timedelta(minutes=1),
        )
        before = len(await signalled(office.client, handle))
        environment = ActivityEnvironment(client=office.client)
        reading: Reading = await environment.run(activities.read_changes, ReadRequest())
        found = await office.eventually(
            lambda: signalled(office.client, handle), lambda found: len(found) == before + reading.signalled
        )
        return found[before:]

    await office.eventually(lambda: _listed(office, agreement.reference), bool)
    await office.deliver_event(handle, EventKind.RECIPIENT_SIGNED, document_id, event_id="evt_known")
    await office.deliver_event(handle, EventKind.VOIDED, document_id, event_id="evt_voided")
    # The server keeps a signal out of the history while a workflow task is under way.
    await office.eventually(lambda: signalled(office.client, handle), lambda found: len(found) == 2)
    assert await read(kind=EventKind.RECIPIENT_SIGNED, event_id="evt_known") == []
    assert await read(kind=EventKind.VOIDED) == [], "the same end of the same document"
    assert await read(kind=EventKind.RECIPIENT_SIGNED, is_delivered=True) == []
    assert await read(kind=EventKind.VIEWED) == []
    assert await read(kind=EventKind.SENT) == []
    assert await read("uk", kind=EventKind.COMPLETED) == [], "another account's"
    (signed,) = await read(kind=EventKind.RECIPIENT_SIGNED, event_id="evt_missed")
    assert (signed.event_id, signed.found_by) == ("evt_missed", "watcher")
    assert await read(kind=EventKind.RECIPIENT_SIGNED, event_id="evt_missed") == [], "its own signal"
    await office.sign_all(document_id)
    (completed,) = await read(kind=EventKind.COMPLETED, is_delivered=True)  # to another address than ours
    assert completed.found_by == "watcher"
    assert (await office.result(handle)).resolved_by == "watcher"
    assert await read(kind=EventKind.COMPLETED) == []


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [12, pytest.param(1000, marks=pytest.mark.heavy)])
async def test_with_no_webhook_for_an_hour_every_end_is_known_after_two_readings(
    client: Client,
    time_skipper: TimeSkipper,
    recorded: Sandbox,
    tmp_path: Path,
    count: int,
) -> None:
    """Agreements end, some after every reading; a reading a minute is an hour of 60 readings.

    Readings are counted, not seconds: the machine may be slow.
    """
    batch_size = max(count // 58, 4)
    counting = {"path": LOG, "do": "latency", "seconds": 0, "times": None}
    async with (
        open_office(client, time_skipper, recorded, tmp_path, time_scale=30) as office,
        watching(client, office.settings, DEFAULT_ACCOUNT) as watcher,
    ):
        handles = await _begin(office, count)
        await recorded.call("PUT", "/_sandbox/faults", lose(counting))
        completed: dict[Handle, datetime] = {}
        readings: dict[datetime, Reading] = {}
        waiting = list(handles.items())
        while waiting:
            batch, waiting = waiting[:batch_size], waiting[batch_size:]
            for handle, document_id in batch:
                await office.sign_all(document_id)
                completed[handle] = datetime.now(UTC)
            seen = len(readings)
            while len(readings) == seen:
                readings |= {reading.at: reading for reading in await watcher.readings()}
                await asyncio.sleep(0.2)
        results = [await asyncio.wait_for(handle.result(), PATIENCE) for handle in completed]
        readings |= {reading.at: reading for reading in await watcher.readings()}
        calls = (await recorded.call("GET", "/_sandbox/faults"))["api"][0]["hits"]
        known = {handle: await _known_at(handle) for handle in completed}
    assert {result.resolved_by for result in results} == {"watcher"}
    late = {
        handle.id: between
        for handle, at in completed.items()
        if (between := sum(at < reading <= known[handle] for reading in readings)) > 2
    }
    assert late == {}
    hours = max(len(readings) / 60, 1)
    assert calls / hours <= 100, f"{calls} calls in {len(readings)} readings"


async def _begin(office: Office, count: int) -> dict[Handle, str]:
    """Start agreements that wait for their signer, without a query: a thousand of them are work enough."""
    query = f"TaskQueue = '{office.task_queue}' AND DocumentId IS NOT NULL AND ExecutionStatus = 'Running'"
    for started in range(1, count + 1):
        await office.start(an_agreement(signers=(ADA,)))
        while started % 10 == 0 or started == count:
            if (await office.client.count_workflows(query)).count >= started:
                break
            await asyncio.sleep(0.2)
    found: dict[Handle, str] = {}
    async for execution in office.client.list_workflows(query):
        handle: Handle = office.client.get_workflow_handle(execution.id, result_type=AgreementResult)
        found[handle] = str(execution.typed_search_attributes[DOCUMENT_ID])
    return found


async def _known_at(handle: Handle) -> datetime:
    """When an agreement was signalled its end."""
    async for event in handle.fetch_history_events():
        if event.HasField("workflow_execution_signaled_event_attributes"):
            at: datetime = event.event_time.ToDatetime(UTC)
    return at


async def _check_in(office: Office, handle: Handle) -> timedelta:
    status = await office.until(handle, lambda status: status.next_check_at is not None)
    return _until(status.next_check_at)


def _until(at: datetime | None) -> timedelta:
    return at - datetime.now(UTC) if at else timedelta.max


def _marker(office: Office, reference: str) -> Marker:
    (claim,) = office.folder.rglob(f"{reference}/claim.json")
    return Marker(reference, json.loads(claim.read_text())["tag"])


async def _listed(office: Office, reference: str) -> bool:
    query = f"WorkflowId = '{workflow_id(reference)}' AND DocumentId IS NOT NULL"
    return (await office.client.count_workflows(query)).count > 0
