"""The circuit around whole agreements: a refused key, and an outage."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from countersign.local.sandbox import Sandbox
from countersign.settings import ProviderSettings
from tests.workflows.office import Office, an_agreement, open_office
from workflows.messages import Outcome

OPTIONS = ProviderSettings(circuit_failures=3, circuit_cooldown_seconds=0.3, held_probe_seconds=0.3)


@pytest_asyncio.fixture
async def office(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Office]:
    async with open_office(client, time_skipper, sandbox, tmp_path, OPTIONS) as office:
        yield office
    await sandbox.call("DELETE", "/_sandbox/faults")


async def test_a_key_refused_before_the_send_fails_the_start_clearly(office: Office) -> None:
    await office.break_call("*", "status", status=401, times=None)
    agreement = an_agreement()
    handle = await office.start(agreement)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "Unauthorised"
    assert failed.value.cause.message.startswith("create_deliverable: refused (HTTP 401)")
    await office.mend()
    assert await office.documents_of(agreement) == []


@pytest.mark.parametrize(
    "status", [401, *(pytest.param(each, marks=pytest.mark.heavy) for each in (402, 403))]
)
async def test_a_key_refused_after_the_send_fails_nothing(office: Office, status: int) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.break_call("*", "status", status=status, times=None)
    await office.tell(handle, "completed", document_id)

    async def refused() -> int:
        return int((await office.sandbox.call("GET", "/_sandbox/faults"))["api"][0]["hits"])

    await office.eventually(refused, lambda hits: hits >= 3)
    await office.mend()
    assert (await handle.result()).outcome is Outcome.COMPLETED


async def test_an_outage_fails_nothing_and_nothing_goes_out_twice(office: Office) -> None:
    await office.break_call("*", "status", status=503, times=None)
    agreements = [an_agreement() for _ in range(8)]
    handles = [await office.start(each) for each in agreements]

    async def probed() -> int:
        return int((await office.sandbox.call("GET", "/_sandbox/faults"))["api"][0]["hits"])

    await office.eventually(probed, lambda hits: hits >= 3 + 2)
    await office.mend()
    documents = [await office.sent(each) for each in handles]
    assert [await office.documents_of(each) for each in agreements] == [[each] for each in documents]
