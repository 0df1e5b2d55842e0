"""The account's watcher finds what no webhook announced, the same with every provider."""

from contextlib import suppress

import pytest
from temporalio.api.enums.v1 import EventType

from countersign.agreements.messages import Outcome, Stage
from countersign.providers.circuit import CircuitRules, State
from countersign.providers.errors import ProviderError, UnavailableError
from tests.conformance.conftest import Handle, Open
from tests.watching import signalled, watching

pytestmark = pytest.mark.thorough


async def test_an_end_that_no_webhook_announced_is_found_by_the_watcher(open_bench: Open) -> None:
    bench = await open_bench(time_scale=20)
    async with watching(bench.client, bench.settings, bench.opened.name):
        await bench.break_webhooks({"do": "drop", "times": None})
        handle, _ = await bench.begin()
        await bench.complete(await bench.sent(handle))
        result = await bench.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "watcher")
    ends = [event for event in await signalled(bench.client, handle) if event.kind == "completed"]
    assert [event.found_by for event in ends] == ["watcher"]
    assert "look" not in await _activities(handle), "it did not check by itself"


async def test_what_webhooks_delivered_is_not_signalled_again(open_bench: Open) -> None:
    bench = await open_bench(time_scale=20)
    async with watching(bench.client, bench.settings, bench.opened.name) as watcher:
        handle, _ = await bench.begin()
        document_id = await bench.sent(handle)
        await bench.until_stage(handle, Stage.AWAITING_SIGNATURES)
        await bench.act(document_id, 1, "sign")
        await bench.until(handle, lambda status: status.signers[0].signed_at is not None)
        readings = await watcher.read_again()
        assert {event.found_by for event in await signalled(bench.client, handle)} == {None}
        await bench.act(document_id, 2, "sign")
        result = await bench.result(handle)
        readings = await watcher.read_again()
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")
    assert sum(reading.signalled for reading in readings) == 0


@pytest.mark.heavy
async def test_while_the_circuit_is_open_the_watcher_waits_and_then_reads_on(open_bench: Open) -> None:
    bench = await open_bench(time_scale=20, rules=CircuitRules(failures=2, cooldown=8))
    circuit = bench.opened.circuit
    async with watching(bench.client, bench.settings, bench.opened.name):
        await bench.break_webhooks({"do": "drop", "times": None})
        handle, _ = await bench.begin()
        document_id = await bench.sent(handle)
        for _ in range(2):
            with suppress(ProviderError), circuit.guard("test"):
                raise UnavailableError("it fails", operation="test")
        assert circuit.snapshot().state is State.OPEN
        await bench.complete(document_id)
        result = await bench.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "watcher")


async def _activities(handle: Handle) -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
