"""The circuit in a real worker: while it is open, work stays scheduled in Temporal; then it drains."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from countersign.observability.metrics import CIRCUIT_CHANGES, CIRCUIT_STATE
from countersign.providers.circuit import Circuit, CircuitRules, Snapshot, State
from countersign.providers.errors import UnauthorizedError, UnavailableError
from countersign.providers.probe import probing
from countersign.providers.retry_table import provider_errors
from countersign.providers.slots import CircuitSlots, tuner

RULES = CircuitRules(failures=3, cooldown=0.3, blocked_probe=0.3, slots=4)


class Provider:
    """Stands for a provider that is down until somebody mends it."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.down = False
        self.calls = self.probes = self.at_once = self.most_at_once = 0
        self.probed_thrice, self.crowded = asyncio.Event(), asyncio.Event()
        self.crowd = 1
        self.seconds = 0.0

    @activity.defn
    async def look(self) -> int:
        with provider_errors(), self.circuit.guard("look"):
            self.calls += 1
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
            if self.at_once == self.crowd:
                self.crowded.set()
            await self.crowded.wait()
            await asyncio.sleep(self.seconds)
            self.at_once -= 1
            self._answer()
        return activity.info().attempt

    async def probe(self) -> None:
        self.probes += 1
        if self.probes == 3:
            self.probed_thrice.set()
        self._answer()

    def _answer(self) -> None:
        if self.down:
            raise UnavailableError("look: HTTP 503", operation="look")


@workflow.defn
class Looking:
    @workflow.run
    async def run(self, queue: str) -> int:
        attempt: int = await workflow.execute_activity(
            "look", task_queue=queue, start_to_close_timeout=timedelta(seconds=20)
        )
        return attempt


@asynccontextmanager
async def working(
    client: Client, circuit: Circuit, slots: CircuitSlots | None = None
) -> AsyncIterator[tuple[Provider, str]]:
    provider, queue = Provider(circuit), uuid.uuid4().hex
    async with (
        probing(circuit, "test", provider.probe),
        Worker(
            client, task_queue=f"{queue}-w", workflows=[Looking], workflow_runner=UnsandboxedWorkflowRunner()
        ),
        Worker(
            client,
            task_queue=queue,
            activities=[provider.look],
            tuner=tuner(slots or CircuitSlots(circuit)),
            disable_eager_activity_execution=True,
        ),
    ):
        yield provider, queue


async def start(client: Client, queue: str, count: int) -> list[WorkflowHandle[Looking, int]]:
    return [
        await client.start_workflow(Looking.run, queue, id=uuid.uuid4().hex, task_queue=f"{queue}-w")
        for _ in range(count)
    ]


async def until(circuit: Circuit, state: State) -> None:
    reached, loop = asyncio.Event(), asyncio.get_running_loop()

    def listen(now: Snapshot) -> None:
        if now.state is state:
            loop.call_soon_threadsafe(reached.set)

    circuit.subscribe(listen)
    if circuit.snapshot().state is not state:
        await reached.wait()


def trip(circuit: Circuit) -> None:
    for _ in range(circuit.rules.failures):
        circuit.leave(circuit.enter("look"), UnavailableError("look: HTTP 503", operation="look"))


async def test_a_healthy_provider_is_called_up_to_its_slots(client: Client) -> None:
    async with working(client, Circuit(RULES)) as (provider, queue):
        provider.crowd = RULES.slots
        attempts = [await handle.result() for handle in await start(client, queue, 12)]
    assert attempts == [1] * 12
    assert provider.most_at_once == RULES.slots


async def test_an_outage_holds_work_and_a_probe_lets_it_drain(client: Client) -> None:
    circuit = Circuit(RULES)
    async with working(client, circuit) as (provider, queue):
        provider.down = True
        trip(circuit)
        handles = await start(client, queue, 12)
        await provider.probed_thrice.wait()
        assert provider.calls == 0, "nothing but probes goes out"
        provider.down = False
        attempts = [await handle.result() for handle in handles]
        await until(circuit, State.CLOSED)
    assert provider.calls == 12
    held_at_a_parked_poll = [attempt for attempt in attempts if attempt > 1]
    assert len(held_at_a_parked_poll) <= RULES.slots, "all others never left Temporal"
    assert CIRCUIT_STATE.labels("test", "closed")._value.get() == 1
    assert CIRCUIT_CHANGES.labels("test", "open")._value.get() >= 1


async def test_slots_come_back_as_the_circuit_allows(client: Client) -> None:
    """A worker that never had a poll parked takes no step that its circuit would refuse."""
    circuit = Circuit(RULES)
    trip(circuit)
    async with working(client, circuit) as (provider, queue):
        provider.down, provider.seconds = True, 0.1  # long enough for one too many to be under way beside it
        handles = await start(client, queue, 12)
        await provider.probed_thrice.wait()
        provider.down = False
        attempts = [await handle.result() for handle in handles]
        await until(circuit, State.CLOSED)
    assert attempts == [1] * 12, "a slot too many, and its step was refused"


async def test_a_worker_with_an_open_circuit_stops(client: Client) -> None:
    circuit = Circuit(CircuitRules(failures=3, cooldown=3600, slots=4))
    async with working(client, circuit) as (provider, queue):
        trip(circuit)
        handles = await start(client, queue, 3)
    for handle in handles:
        await handle.terminate()
    assert provider.calls == 0


async def test_a_probe_with_a_fault_of_its_own_is_made_again() -> None:
    circuit = Circuit(CircuitRules(failures=3, cooldown=0.05, slots=4))
    outcomes = [RuntimeError("a fault of our own"), None]

    async def probe() -> None:
        if (error := outcomes.pop(0)) is not None:
            raise error

    async with probing(circuit, "test", probe):
        trip(circuit)
        await until(circuit, State.RECOVERING)
    assert not outcomes


async def test_while_a_probe_is_under_way_no_other_is_due() -> None:
    circuit = Circuit(CircuitRules(blocked_probe=3600))
    due: list[float | None] = []

    async def probe() -> None:
        due.append(circuit.snapshot().probe_in)

    async with probing(circuit, "test", probe):
        circuit.leave(circuit.enter("look"), UnauthorizedError("no", operation="look", status=401))
        await until(circuit, State.RECOVERING)
    (wait,) = due
    assert wait is not None
    assert wait > 3000


async def test_a_change_is_logged_with_its_reason_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    circuit = Circuit(RULES)

    async def probe() -> None:
        """Find the provider well."""

    counts = {state: CIRCUIT_CHANGES.labels("logged", state) for state in State}
    async with probing(circuit, "logged", probe):
        trip(circuit)
        await until(circuit, State.RECOVERING)
        circuit.leave(circuit.enter("look"), UnauthorizedError("no", operation="look", status=401))
    reported = [
        (record.getMessage(), vars(record)["because"])
        for record in caplog.records
        if vars(record).get("provider") == "logged"
    ]
    assert reported == [
        ("circuit open", "the provider is failing"),
        ("circuit recovering", "recovering"),
        ("circuit blocked", "credentials refused"),
    ]
    assert [counts[item]._value.get() for item in (State.OPEN, State.RECOVERING, State.BLOCKED)] == [1, 1, 1]


async def test_an_idle_poll_ends_the_drain_at_its_limit(client: Client) -> None:
    """Temporal may then hand a last task to that poll: see tests/workflows/test_workflows_lost_tasks.py."""
    slots = CircuitSlots(Circuit(RULES))
    async with working(client, Circuit(RULES), slots) as (provider, queue):
        (handle,) = await start(client, queue, 1)
        await handle.result()
        await slots.drain(seconds=0.1)
        assert slots._parked() > 0
        assert slots.try_reserve_slot(None) is None, "no new poll begins"  # type: ignore[arg-type]  # unused
    assert (provider.calls, slots._parked()) == (1, 0), "the worker stopped"


async def test_a_drained_worker_leaves_nothing_that_was_handed_to_it(client: Client) -> None:
    circuit = Circuit(RULES)
    slots = CircuitSlots(circuit)
    async with working(client, circuit, slots) as (provider, queue):
        handles = await start(client, queue, 30)
        await provider.crowded.wait()
        await slots.drain(seconds=60)
        assert slots._parked() == 0
        handles += await start(client, queue, 1)
    for handle in handles:
        description = await handle.describe()
        for step in description.raw_description.pending_activities:
            assert step.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
        if description.status is WorkflowExecutionStatus.RUNNING:
            await handle.terminate()
    assert provider.calls < len(handles), "what comes after the drain is left for other workers"


@pytest.mark.parametrize("turns", range(8))
async def test_probing_ends_at_whatever_moment_it_is_left(turns: int) -> None:
    circuit = Circuit(CircuitRules(failures=1, cooldown=3600))

    async def probe_for_a_while() -> None:
        async with probing(circuit, "test", Provider(circuit).probe):
            circuit.leave(circuit.enter("look"), UnavailableError("look: HTTP 503", operation="look"))
            await asyncio.sleep(0.01)  # it waits for the time of the next probe
            circuit.end_probe(None)
            for _ in range(turns):  # the change is on its way through the loop
                await asyncio.sleep(0)

    task = asyncio.create_task(probe_for_a_while())
    ended, _ = await asyncio.wait({task}, timeout=20)
    assert ended, "it waits for a task that has lost its cancellation"
