"""The circuit around whole agreements: a refused key, an outage, a storm of 429, a provider that is away."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from countersign.agreements.messages import Outcome
from countersign.client.waits import provider_wait
from countersign.free_ports import free_port
from countersign.observability.metrics import CIRCUIT_CHANGES
from countersign.providers.circuit import CircuitRules, State
from devstack.processes import Supervisor
from devstack.sandbox import Sandbox
from tests.conftest import sandbox_part
from tests.workflows.office import Handle, Office, an_agreement, open_office

pytestmark = pytest.mark.thorough

RULES = CircuitRules(failures=3, cooldown=0.3, blocked_probe=0.3)
REFUSALS = [401, 402, 403]


@pytest_asyncio.fixture
async def office(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Office]:
    async with open_office(client, time_skipper, sandbox, tmp_path, rules=RULES) as office:
        yield office
    await sandbox.call("DELETE", "/_sandbox/faults")


async def refused(office: Office, *, rule: int = 0) -> int:
    """How many calls a fault has spoilt."""
    return int((await office.sandbox.call("GET", "/_sandbox/faults"))["api"][rule]["hits"])


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_key_refused_before_the_send_fails_the_start_clearly(office: Office, status: int) -> None:
    await office.break_call("*", "status", status=status, times=None)
    agreement = an_agreement()
    handle = await office.start(agreement)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "Unauthorised"
    assert failed.value.cause.message.startswith(f"get_template: refused (HTTP {status})")
    await office.mend()
    assert await office.documents_of(agreement) == []


@pytest.mark.parametrize(
    "status", [REFUSALS[0], *(pytest.param(refusal, marks=pytest.mark.heavy) for refusal in REFUSALS[1:])]
)
async def test_a_key_refused_after_the_send_fails_nothing(office: Office, status: int) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.break_call("*", "status", status=status, times=None)
    await office.deliver_event(handle, "completed", document_id)
    await office.eventually(lambda: refused(office), lambda hits: hits >= 3)
    await office.mend()
    assert (await handle.result()).outcome is Outcome.COMPLETED


async def test_a_403_about_one_document_holds_up_no_other(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    slow_to_probe = CircuitRules(blocked_probe=3600)
    async with open_office(client, time_skipper, sandbox, tmp_path, rules=slow_to_probe) as office:
        forbidden, other = await office.start(), await office.start()
        document_id = await office.sent(forbidden)
        await office.sign_all(document_id)
        await office.break_call(f"/turbosign/documents/{document_id}/*", "status", status=403, times=None)
        await office.deliver_event(forbidden, "completed", document_id)
        await office.eventually(lambda: refused(office), lambda hits: hits >= 2)
        await finish(office, other)
        wait = await office.eventually(partial(provider_wait, client, forbidden), bool)
        assert wait is not None
        assert wait.startswith("document_recipients: refused (HTTP 403)")
        await office.mend()
        assert (await office.result(forbidden)).outcome is Outcome.COMPLETED


async def finish(office: Office, handle: Handle) -> None:
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_an_outage_fails_nothing_and_nothing_goes_out_twice(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    """While it lasts as many calls reach the provider as open the circuit, one per slot, and the probes."""
    slots, down = 4, {"do": "status", "status": 503, "times": None}
    probes, calls = {**down, "path": "/v1/deliverable", "method": "GET"}, {**down, "path": "*"}
    async with open_office(
        client, time_skipper, sandbox, tmp_path, rules=RULES, provider_slots=slots
    ) as office:
        await sandbox.call("PUT", "/_sandbox/faults", {"api": [probes, calls]})
        handles = [await office.start() for _ in range(30)]
        await office.eventually(lambda: refused(office), lambda probed: probed >= 3)
        met = await refused(office, rule=1)
        assert RULES.failures <= met <= RULES.failures + slots
        await office.mend()
        await check_sent_once(office, handles)
        for handle in handles:
            await handle.terminate()


async def check_sent_once(office: Office, handles: list[Handle]) -> None:
    documents = [await office.sent(one_handle) for one_handle in handles]
    made = [
        entry["subject"]
        for entry in (await office.sandbox.ledger())["entries"]
        if entry["kind"] == "document_created"
        and any(handle.id.removeprefix("agreement-") in str(entry) for handle in handles)
    ]
    assert sorted(made) == sorted(documents)


async def test_a_storm_of_429_is_waited_out_and_opens_no_circuit(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    """P6: more refusals in a row than open the circuit, and it stays closed: the provider is well."""
    opened = CIRCUIT_CHANGES.labels("turbodocx", State.OPEN)
    before, agreements = opened._value.get(), 8
    storm = 2 * agreements
    assert storm > RULES.failures
    async with open_office(client, time_skipper, sandbox, tmp_path, rules=RULES, time_scale=50) as office:
        await office.break_call("*", "rate_limit", retry_after=1, times=storm)
        handles = [await office.start() for _ in range(agreements)]
        await check_sent_once(office, handles)
        assert await refused(office) == storm
        for handle in handles:
            await handle.terminate()
        await office.mend()
    assert opened._value.get() == before


@asynccontextmanager
async def own_sandbox(folder: Path) -> AsyncIterator[tuple[Sandbox, Supervisor]]:
    sandbox = Sandbox(f"http://127.0.0.1:{free_port()}")
    async with Supervisor(folder) as supervisor:
        await supervisor.start(sandbox_part(sandbox, folder))
        yield sandbox, supervisor


async def test_a_provider_that_is_away_is_waited_for(
    client: Client, time_skipper: TimeSkipper, tmp_path: Path
) -> None:
    """P7: a refused connection was never sent, so whatever met it is tried again."""
    async with AsyncExitStack() as stack:
        sandbox, supervisor = await stack.enter_async_context(own_sandbox(tmp_path))
        office = await stack.enter_async_context(
            open_office(client, time_skipper, sandbox, tmp_path / "store", rules=RULES)
        )
        supervisor.kill("sandbox")
        agreement = an_agreement()
        handle = await office.start(agreement)
        wait = await office.eventually(partial(provider_wait, client, handle), bool)
        assert wait is not None
        assert wait.startswith("get_template: not sent: http://127.0.0.1:")
        assert " cannot be reached (ConnectError); attempt " in wait
        await supervisor.restart("sandbox")
        document_id = await office.sent(handle)
        assert await office.documents_of(agreement) == [document_id]
        await handle.terminate()
