"""`status` and `list` distinguish a refused key, an exhausted plan and an outage."""

import re
import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from cli import list as listing
from countersign.client import queues, waits
from countersign.client.agreements import agreement_status
from countersign.client.listing import ListedAgreement, list_agreements
from countersign.client.waits import provider_wait
from countersign.providers.call_health import BLOCKING
from countersign.providers.circuit import CircuitRules
from devstack.sandbox import Sandbox
from tests.workflows.office import Handle, Office, open_office

pytestmark = pytest.mark.thorough

RULES = CircuitRules(failures=1, cooldown=3600, blocked_probe=3600)
REASONS = {
    401: "the provider rejects the API key since",
    402: "the provider's plan is exhausted since",
    403: "the provider refuses the API key its permission since",
    503: "the provider is failing since",
}


def test_every_reason_of_a_blocked_circuit_has_a_sentence() -> None:
    assert {health.value for health in BLOCKING} < set(queues._HALTS)


@pytest.fixture
def prompt(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a step held back as soon as it waits; let `list` use the test's server."""

    async def same_client() -> Client:
        return client

    monkeypatch.setattr(waits, "_PROMPT", timedelta())
    monkeypatch.setattr(listing, "shared_client", same_client)


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize("status", REASONS)
async def test_the_true_reason_is_named_for_every_step_that_waits(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    status: int,
) -> None:
    async with open_office(client, time_skipper, sandbox, tmp_path, rules=RULES) as office:
        await office.break_call("*", "status", status=status, times=None)
        first = await office.start()  # a refused key ends it, because nothing was sent
        await office.eventually(partial(has_met_it, first), bool)
        handles = [await office.start() for _ in range(5)]
        pattern = re.compile(
            rf"\w+ is blocked: {REASONS[status]} 20.* UTC, next try 20.* UTC: .*`countersign doctor`; for "
        )
        for handle in handles:
            waits = partial(provider_wait, client, handle)
            await office.eventually(waits, lambda wait: bool(wait and pattern.match(wait)))
        reference = handles[0].id.removeprefix("agreement-")
        shown = await agreement_status(reference, client=client)
        assert pattern.match(shown.provider_wait or "")
        running = await office.eventually(partial(listed, office, handles[0].id), bool)
        halts = await listing.halts_of(running)
        assert list(halts) == ["turbodocx"]
        assert halts["turbodocx"].startswith(REASONS[status])
        for handle in (*handles, *([first] if status == 503 else [])):
            await handle.terminate()
        await office.mend()


async def has_met_it(handle: Handle) -> bool:
    described = await handle.describe()
    pending = described.raw_description.pending_activities
    return described.close_time is not None or any(step.HasField("last_failure") for step in pending)


async def listed(office: Office, workflow_id: str) -> list[ListedAgreement]:
    found = await list_agreements(limit=100_000, client=office.client)
    return [item for item in found if f"agreement-{item.reference}" == workflow_id and item.account]


async def test_a_circuit_that_is_closed_is_no_reason(office: Office) -> None:
    handle = await office.start()
    await office.sent(handle)
    assert await queues.why_halted(handle, "turbodocx") is None


async def test_another_account_is_unknown(office: Office) -> None:
    handle = await office.start()
    await office.sent(handle)
    assert await queues.why_halted(handle, uuid.uuid4().hex) is None
