"""Kill the receiver, or Temporal behind it, while the provider delivers.

An event that got a 2xx is applied once, and polling makes up for lost events.

Real processes: Temporal on its file, the sandbox with its retries, the receiver. The worker runs in the test.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from countersign.agreements import search_attributes
from countersign.agreements.messages import Outcome
from countersign.connection import data_converter
from countersign.free_ports import free_port
from devstack.processes import Part, Supervisor, prints, responds
from devstack.sandbox import Sandbox
from devstack.temporal import READY, dev_server_command, find_temporal
from tests.conftest import sandbox_part
from tests.webhooks.webhook_deliveries import PATH
from tests.webhooks.webhook_receivers import environment_of
from tests.workflows.office import Handle, Office, an_agreement, open_office

EVENTS: Final = 7
"""With 2 signers: sent; then, under fire, viewed and recipient_signed twice, signed, and completed."""
AT_ONCE: Final = 6
SEED: Final = 20_260_131
ROOT: Final = Path(__file__).parents[2]


@dataclass
class Town:
    """The processes by name, and an office for their agreements."""

    supervisor: Supervisor
    office: Office

    async def kill(self, name: str, *, dead_seconds: float) -> None:
        self.supervisor.kill(name)
        await asyncio.sleep(dead_seconds)
        await self.supervisor.restart(name)


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    port, receiver_port = free_port(), free_port()
    sandbox = Sandbox(f"http://127.0.0.1:{free_port()}")
    temporal = dev_server_command(
        await find_temporal(folder),
        port=port,
        ui_port=free_port(),
        metrics_port=free_port(),
        database=folder / "temporal.db",
        search_attributes=search_attributes.TYPES,
    )
    temporal += ["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"]
    async with Supervisor(folder) as supervisor:
        await supervisor.start(Part("temporal", temporal, prints(READY), {"PATH": "/usr/bin:/bin"}, folder))
        await supervisor.start(sandbox_part(sandbox, folder))
        quick = {"retry_delays": [0.2, 0.4], "delivery_timeout": 5}
        await sandbox.call("PATCH", "/_sandbox/behaviour", quick)
        client = await Client.connect(f"127.0.0.1:{port}", data_converter=data_converter())
        secret = await sandbox.subscribe(f"http://127.0.0.1:{receiver_port}{PATH}")
        command = [sys.executable, "-m", "receiver", f"--port={receiver_port}"]
        env = environment_of(client, TURBODOCX_WEBHOOK_SECRET=secret)
        ready = responds(f"http://127.0.0.1:{receiver_port}/readyz")
        await supervisor.start(Part("receiver", command, ready, env, ROOT))
        skipper = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
        async with open_office(client, skipper, sandbox, folder / "store") as office:
            office.patience = 60
            yield Town(supervisor, office)


Case = tuple[Handle, str]


async def begin(office: Office, count: int) -> list[Case]:
    """Start agreements that wait for their signers."""
    time_scale = asyncio.Semaphore(AT_ONCE)

    async def one() -> Case:
        async with time_scale:
            handle = await office.start(an_agreement())
            return handle, await office.sent(handle)

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def sign_everything(sandbox: Sandbox, cases: list[Case]) -> None:
    """Let every signer of every agreement act, a few agreements at once."""
    time_scale = asyncio.Semaphore(AT_ONCE)

    async def one(document_id: str) -> None:
        async with time_scale:
            first, second = await sandbox.recipient_ids(document_id)
            await sandbox.view(document_id, first)
            await asyncio.sleep(0.5)
            await sandbox.sign(document_id, first)
            await asyncio.sleep(0.5)
            await sandbox.sign(document_id, second)

    await asyncio.gather(*(one(document_id) for _, document_id in cases))


async def delivery_log(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the provider's log once every delivery has succeeded or failed for good."""
    async with asyncio.timeout(60):
        while True:
            found: list[dict[str, Any]] = []
            while page := await _page(sandbox, offset=len(found)):
                found += page
            if all(item["status"] in {"delivered", "failed"} for item in found):
                return found
            await asyncio.sleep(0.5)


async def _page(sandbox: Sandbox, *, offset: int) -> list[dict[str, Any]]:
    path = f"/api/webhooks/signature/deliveries?limit=100&offset={offset}"
    results: list[dict[str, Any]] = (await sandbox.call("GET", path))["data"]["results"]
    return results


async def end(office: Office, cases: list[Case]) -> Counter[str]:
    """Poll for the agreements that still wait; count the agreements by what resolved them."""
    resolved: Counter[str] = Counter()
    for handle, _ in cases:
        if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            with suppress(RPCError):  # it has ended meanwhile
                await office.skip(handle, timedelta(hours=1))
        result = await office.result(handle)
        assert result.outcome is Outcome.COMPLETED
        resolved[result.resolved_by] += 1
    return resolved


async def check(office: Office, case: Case, delivered: dict[str, datetime]) -> None:
    """Compare an agreement's history and archive with the deliveries that got a 2xx.

    Args:
        office: Where its archive is.
        case: The agreement.
        delivered: When the events of its document got a 2xx, by event id.
    """
    handle, _ = case
    history = (await handle.fetch_history()).events
    signals = {  # the first of several: an event that was not acknowledged in time may occur twice
        json.loads(event.workflow_execution_signaled_event_attributes.input.payloads[0].data)[
            "event_id"
        ]: event
        for event in reversed(history)
        if event.HasField("workflow_execution_signaled_event_attributes")
    }
    ended = history[-1].event_time.ToDatetime(UTC)
    for event_id, at in delivered.items():
        assert event_id in signals or at >= ended - timedelta(seconds=1)

    archive = (await office.result(handle)).archive
    assert archive is not None
    timeline = json.loads(await office.store.read(archive.timeline.key))["timeline"]
    applied = Counter(entry.get("event_id") for entry in timeline)
    for event_id, signal in signals.items():
        assert applied[event_id] == (signal.event_id < _archiving_decided(history)), (
            "once, if it came in time"
        )


def _archiving_decided(history: Sequence[HistoryEvent]) -> int:
    """Return the last history event that the workflow had seen when it started the last archive."""
    archiving = next(
        event.activity_task_scheduled_event_attributes
        for event in reversed(history)
        if event.activity_task_scheduled_event_attributes.activity_type.name == "archive"
    )
    decision = history[archiving.workflow_task_completed_event_id - 1]
    return decision.workflow_task_completed_event_attributes.started_event_id


@pytest.mark.heavy
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("victim", "agreements", "dead_seconds", "at_least"), [("receiver", 84, 0.5, 3), ("temporal", 84, 20, 1)]
)
async def test_acknowledged_events_apply_once_and_lost_ones_are_polled(
    tmp_path: Path, victim: str, agreements: int, dead_seconds: float, at_least: int
) -> None:
    chance = random.Random(SEED)
    async with town(tmp_path) as here:
        sandbox = here.office.sandbox
        cases = await begin(here.office, agreements)
        signing = asyncio.create_task(sign_everything(sandbox, cases))
        kills = 0
        while not signing.done():
            await asyncio.sleep(chance.uniform(0.1, 1.5))
            await here.kill(victim, dead_seconds=dead_seconds)
            kills += 1
        await signing

        log = await delivery_log(sandbox)
        resolved = await end(here.office, cases)
        for case in cases:
            mine = [entry for entry in log if entry["payload"]["data"]["document_id"] == case[1]]
            assert len(mine) == EVENTS
            await check(
                here.office,
                case,
                {
                    row["payload"]["event_id"]: datetime.fromisoformat(row["deliveredAt"])
                    for row in mine
                    if row["isDelivered"]
                },
            )

    lost = sum(not entry["isDelivered"] for entry in log)
    again = sum(entry["attemptCount"] > 1 for entry in log)
    print(  # noqa: T201 (a summary of this run)
        f"seed {SEED}: {victim} killed {kills} times during {len(log)} deliveries, "
        f"{again} tried again, {lost} lost; resolved by {dict(resolved)}"
    )
    assert kills >= at_least
    assert again > 0
    if victim == "receiver":  # Temporal may be back before the provider gives up
        assert lost > 0
        assert set(resolved) == {"webhook", "poll"}
