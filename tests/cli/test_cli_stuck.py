"""An agreement whose workflow task keeps failing is seen, explained and brought back, and sent once."""

import asyncio
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowTaskFailedEventAttributes
from temporalio.client import Client, WorkflowHistory
from temporalio.common import RawValue
from temporalio.testing import TimeSkipper

from cli.checks.finding import State
from cli.checks.temporal import check_temporal
from cli.command import out
from cli.list import agreement_table
from countersign.client.agreements import agreement_result, agreement_status, remind_agreement
from countersign.client.errors import StuckAgreementError
from countersign.client.listing import ListedAgreement, list_agreements
from countersign.client.stuck import cause, reset_point
from countersign.testing import eventually
from countersign.testing.server import temporal_executable
from devstack.sandbox import Sandbox
from tests.observability.test_observability_backlog_metrics import backlog_metrics
from tests.workflows.detouring import DetouringWorkflow
from tests.workflows.office import Office, an_agreement, open_office
from workflows.agreement.raw_input import read_input

pytestmark = pytest.mark.thorough

HAPPY: Final = Path(__file__).parents[1] / "histories" / "step_by_step" / "happy.json"
LAST_TASK: Final = "temporal workflow reset --workflow-id {} --type LastWorkflowTask --reason stuck"


@pytest_asyncio.fixture
async def stuck(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Office, str, str]]:
    """An agreement that was sent by code that does not fit, and signed: its reference and its document."""
    agreement = an_agreement()
    with monkeypatch.context() as patch:
        patch.setattr("worker.AgreementWorkflow", DetouringWorkflow)
        async with open_office(client, time_skipper, sandbox, tmp_path) as office:
            handle = await office.start(agreement)
            document_id = await office.sent(handle)
            queue = office.settings.task_queue
    await sandbox.complete(document_id)
    async with open_office(client, time_skipper, sandbox, tmp_path, task_queue=queue) as office:
        await office.deliver_event(handle, "completed", document_id)
        yield office, agreement.reference, document_id


@pytest.mark.parametrize("command", [None, LAST_TASK], ids=["as status says", "to the last task"])
async def test_a_stuck_agreement_is_seen_and_its_reset_sends_nothing_again(
    stuck: tuple[Office, str, str], client: Client, monkeypatch: pytest.MonkeyPatch, command: str | None
) -> None:
    office, reference, document_id = stuck
    (listed,) = await eventually(lambda: _listed(client, reference), bool, patience=60)
    assert listed.stuck
    assert _row(listed).endswith(" stuck")
    await backlog_metrics(client, office.settings.task_queue).refresh()
    assert REGISTRY.get_sample_value("countersign_agreements_stuck", {"namespace": client.namespace})
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    findings = {found.check: found async for found in check_temporal(register=lambda _: False)}
    assert findings["agreements"].state is State.WARNING
    assert re.fullmatch(r"\d+ stuck", findings["agreements"].found)
    emails = await _emails(office, document_id)
    assert len([kind for kind in emails if kind == "signature_request"]) == 2

    sentence = await _sentence(client, reference)
    suggested = re.findall("`(temporal [^`]*)`", sentence)[0]
    await _run(client, command.format(f"agreement-{reference}") if command else suggested)

    result = await eventually(lambda: agreement_result(reference, client=client), bool, patience=40)
    assert (result.outcome, result.resolved_by) == ("completed", "webhook"), "the signal is applied again"
    assert await _documents(office, reference) == [document_id]
    assert await _emails(office, document_id) == emails
    assert await _listed(client, reference) == []


def test_a_worker_that_lacks_the_encryption_keys_is_named() -> None:
    with pytest.raises(RuntimeError) as missing:
        read_input([RawValue(Payload(metadata={"encoding": b"binary/encrypted"}))], continues=False)
    failed = WorkflowTaskFailedEventAttributes(
        cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
        failure=Failure(message=str(missing.value)),
    )
    event = HistoryEvent(
        event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, workflow_task_failed_event_attributes=failed
    )
    assert cause([event]).endswith(": the worker lacks the keys of COUNTERSIGN_ENCRYPTION_KEYS")


async def _sentence(client: Client, reference: str) -> str:
    """What is said about it, at once; nothing is asked of its worker."""
    async with asyncio.timeout(5):
        with pytest.raises(StuckAgreementError) as failed:
            await agreement_status(reference, client=client)
        with pytest.raises(StuckAgreementError, match="`remind` was not requested"):
            await remind_agreement(reference, client=client)
    sentence = str(failed.value)
    assert sentence.startswith(f"{reference} is stuck: its workflow task failed at least ")
    assert "(NonDeterministicError: the worker's code does not match the history)" in sentence
    assert not re.search("ada|grace", sentence.replace(reference, ""), re.IGNORECASE)
    return sentence


async def _listed(client: Client, reference: str) -> list[ListedAgreement]:
    return await list_agreements(stuck=True, where=f'WorkflowId = "agreement-{reference}"', client=client)


def _row(listed: ListedAgreement) -> str:
    with out.capture() as captured:
        out.print(agreement_table([listed], {}))
    return captured.get().splitlines()[1].rstrip()


async def _run(client: Client, command: str) -> None:
    """Run a command of Temporal's command line, as an operator does."""
    program, *arguments = shlex.split(command)
    assert program == "temporal"
    address = client.service_client.config.target_host
    ran = await asyncio.create_subprocess_exec(
        str(temporal_executable()), *arguments, "--address", address, stdout=asyncio.subprocess.DEVNULL
    )
    assert await ran.wait() == 0


async def _documents(office: Office, reference: str) -> list[str]:
    entries = (await office.sandbox.ledger())["entries"]
    created = [entry for entry in entries if entry["kind"] == "document_created"]
    return [str(entry["subject"]) for entry in created if reference in str(entry)]


async def _emails(office: Office, document_id: str) -> list[str]:
    entries = (await office.sandbox.ledger())["entries"]
    sent = [entry for entry in entries if entry["kind"] == "email_sent" and document_id in str(entry)]
    return sorted(re.findall(r"'email': '(\w+)'", str(sent)))


@pytest.mark.parametrize(
    ("events", "point"),
    [
        pytest.param(3, None, id="no task completed"),
        pytest.param(14, 10, id="nothing sent"),
        pytest.param(18, None, id="send scheduled"),
        pytest.param(20, None, id="send completed after the task that scheduled it"),
        pytest.param(25, 22, id="send completed before the last task"),
        pytest.param(40, 37, id="signed"),
    ],
)
def test_no_reset_is_proposed_that_takes_back_the_outcome_of_a_send(events: int, point: int | None) -> None:
    history = WorkflowHistory.from_json("happy", HAPPY.read_text()).events
    assert reset_point(history[:events]) == point
