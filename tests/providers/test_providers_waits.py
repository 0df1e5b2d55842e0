"""`status` and `watch` say what is held up at the provider: Temporal knows it of pending activities."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from cli.views import News
from countersign import task_queues
from countersign.agreements.messages import Stage, WaitingFor
from countersign.agreements.names import DEFAULT_ACCOUNT, account_task_queue
from countersign.client import queues as queueing
from countersign.client import waits
from countersign.client.view import AgreementView
from countersign.providers.circuit import Circuit, CircuitRules
from countersign.providers.errors import ThrottledError, UnavailableError
from countersign.providers.retry_table import provider_errors
from countersign.providers.slots import CircuitSlots, tuner
from tests.providers.test_providers_rate import documented_commands, run

_PARTITIONS = 4
"""Of a queue, by Temporal's default: in each of them the first step may pass, whatever the rate limit."""


STORE_STEPS = ("claim", "record_end", "release", "revoke_send")


@workflow.defn
class Held:
    @workflow.run
    async def run(self, step: str) -> None:
        await workflow.execute_activity(
            step,
            task_queue=None
            if step in STORE_STEPS
            else account_task_queue(workflow.info().task_queue, DEFAULT_ACCOUNT),
            start_to_close_timeout=timedelta(seconds=20),
        )


@activity.defn
async def look() -> None:
    with provider_errors():
        raise ThrottledError("look: throttled (429)", operation="look", retry_after=3000)


@activity.defn
async def hang() -> None:
    await asyncio.sleep(10)


@asynccontextmanager
async def held(
    client: Client,
    step: str,
    *,
    circuit: Circuit | None = None,
    rate: float | None = None,
    queue: str | None = None,
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """A workflow whose step is in the provider's queue; its worker has this circuit and rate limit."""
    queue, runner = queue or uuid.uuid4().hex, UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=queue, workflows=[Held], workflow_runner=runner):
        handle = await client.start_workflow(Held.run, step, id=uuid.uuid4().hex, task_queue=queue)
        if circuit is None:
            yield handle
        else:
            async with Worker(
                client,
                task_queue=account_task_queue(queue, DEFAULT_ACCOUNT),
                activities=[look, hang],
                tuner=tuner(CircuitSlots(circuit)),
                max_task_queue_activities_per_second=rate,
            ):
                yield handle
        await handle.terminate()


async def reported(client: Client, beginning: str, *handles: WorkflowHandle[Any, Any]) -> str:
    """Ask until what one of the agreements waits for is told, and begins like this."""
    async with asyncio.timeout(30):
        while True:
            for handle in handles:
                wait = await waits.provider_wait(client, handle)
                if wait is not None and wait.startswith(beginning):
                    return wait
            await asyncio.sleep(0.05)


def opened() -> Circuit:
    circuit = Circuit(CircuitRules(failures=1))
    circuit.leave(circuit.enter("look"), UnavailableError("look: HTTP 503", operation="look"))
    return circuit


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a step held back as soon as it waits."""
    monkeypatch.setattr(waits, "_PROMPT", timedelta())


async def test_a_throttled_step_says_so_and_when_it_is_tried_again(client: Client) -> None:
    async with held(client, "look", circuit=Circuit(CircuitRules())) as handle:
        wait = await reported(client, "look: throttled (429); attempt 2 in 5", handle)
    assert wait.endswith(" min")


@pytest.mark.usefixtures("prompt")
class TestHeldBack:
    """A step that nobody takes: Temporal knows of the workers and of the rate limit."""

    async def test_by_an_open_circuit(self, client: Client) -> None:
        async with held(client, "look", circuit=opened()) as handle:
            wait = await reported(client, "look is blocked: its workers take no steps", handle)
        assert "while the provider fails or rejects the API key (their circuit is open), or all" in wait
        assert "`countersign doctor`); for " in wait

    async def test_by_no_one_at_all(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        async with held(client, "look") as handle:
            await reported(client, "look is blocked: its workers take no steps", handle)
            monkeypatch.setattr(
                task_queues, "_LONGEST_POLL", timedelta()
            )  # as if all that polled were long dead
            wait = await reported(client, "look is blocked: no worker polls ", handle)
        assert "-turbodocx: start one with `python worker.py` or as a service; for " in wait

    async def test_by_a_rate_limit(self, client: Client) -> None:
        queue = uuid.uuid4().hex
        async with held(client, "look", circuit=Circuit(CircuitRules()), rate=0.0001, queue=queue) as handle:
            others = [
                await client.start_workflow(Held.run, "look", id=uuid.uuid4().hex, task_queue=queue)
                for _ in range(_PARTITIONS)
            ]
            wait = await reported(client, "look is blocked: the rate limit of ", handle, *others)
            await asyncio.gather(*(other.terminate() for other in others))
        assert "-turbodocx is 0.0001 steps a second, or its workers are busy" in wait

    async def test_by_an_operator(self, client: Client) -> None:
        queue = uuid.uuid4().hex
        set_it = documented_commands()[0].replace("--queue-rps-limit 2", "--queue-rps-limit 0")
        await run(set_it, client, account_task_queue(queue, DEFAULT_ACCOUNT))
        async with held(client, "look", circuit=Circuit(CircuitRules()), queue=queue) as handle:
            wait = await reported(client, "look is blocked: ", handle)
        assert "-turbodocx is 0 steps a second (the provider asked us to slow down); for " in wait

    async def test_where_temporal_does_not_report(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(*_: object, **__: object) -> None:
            raise RPCError("not for you", RPCStatusCode.PERMISSION_DENIED, b"")

        monkeypatch.setattr(queueing, "describe_task_queue", refuse)
        async with held(client, "look") as handle:
            wait = await reported(client, "look is blocked: ", handle)
        assert "the circuit is open, the rate limit is reached, or no worker runs" in wait

    @pytest.mark.parametrize("step", STORE_STEPS)
    async def test_a_step_of_the_store_waits_in_the_workflows_queue(self, client: Client, step: str) -> None:
        async with held(client, step) as handle:
            wait = await reported(client, f"{step} is blocked: no worker polls ", handle)
        assert "-turbodocx" not in wait

    async def test_a_step_with_a_lost_worker(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waits, "_LONG", timedelta())
        async with held(client, "hang", circuit=Circuit(CircuitRules())) as handle:
            wait = await reported(client, "hang runs on ", handle)
        assert ", or that worker is lost; for " in wait


def test_a_watcher_tells_it_once_however_the_time_counts_down() -> None:
    news, lines = News(), list[str]()
    for minutes in (5, 4, 3):
        status = AgreementView(
            reference="X-1",
            stage=Stage.GENERATING,
            waiting_for=WaitingFor.PROVIDER,
            provider_wait=f"generate: HTTP 503; attempt 7 in {minutes} min",
        )
        lines += [event.line for event in news.of(status)]
    assert lines == ["waiting for the provider: generate: HTTP 503"]
