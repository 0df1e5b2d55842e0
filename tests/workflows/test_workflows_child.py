"""An agreement as a step of another workflow, with the real agreement workflow and the sandbox."""

import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError
from temporalio.worker import Worker

from countersign.agreements.failures import BAD_INPUT, CANCELED, REFERENCE_USED, STOPPED
from countersign.agreements.messages import AgreementInput, LinkSource, Outcome, Stage
from countersign.agreements.search_attributes import ACCOUNT
from tests.workflows.office import Office, an_agreement
from tests.workflows.parents import Catching, Parent, Restarting, Slow

QUEUE = "parents"


@pytest_asyncio.fixture
async def parents(office: Office) -> AsyncIterator[Worker]:
    """A worker of the user's own, with the SDK's sandbox as it comes."""
    async with Worker(
        office.client, task_queue=QUEUE, workflows=[Catching, Parent, Restarting, Slow]
    ) as worker:
        yield worker


async def start(
    office: Office, parent: str, agreement: AgreementInput, **options: Any
) -> WorkflowHandle[Any, Any]:
    return await office.client.start_workflow(
        parent, args=[agreement, office.task_queue], id=uuid.uuid4().hex, task_queue=QUEUE, **options
    )


async def sign(office: Office, reference: str) -> None:
    """Sign as everybody, and let the agreement know."""
    handle = office.handle(reference)
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)


@pytest.mark.usefixtures("parents")
async def test_the_parent_gets_the_result_of_a_child_that_operators_find(office: Office) -> None:
    agreement = an_agreement(initiated_by="order-service")
    parent = await start(office, "Parent", agreement)
    await sign(office, agreement.reference)
    result = await parent.result()
    assert (result["outcome"], result["reference"]) == (Outcome.COMPLETED, agreement.reference)
    described = await office.handle(agreement.reference).describe()
    assert described.parent_id == parent.id
    assert described.task_queue == office.task_queue
    assert described.typed_search_attributes[ACCOUNT] == "turbodocx"
    assert await described.memo() == {"initiated_by": "order-service"}
    assert await described.static_summary() == agreement.title


@pytest.mark.usefixtures("parents")
async def test_cancelling_the_parent_voids_the_document(office: Office) -> None:
    agreement = an_agreement()
    parent = await start(office, "Parent", agreement)
    document_id = await office.sent(office.handle(agreement.reference))
    await parent.cancel()
    with pytest.raises(WorkflowFailureError) as failed:
        await parent.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert await office.status_at_provider(document_id) == "voided"


@pytest.mark.usefixtures("parents")
async def test_cancelling_the_parent_at_its_start_leaves_no_document_to_sign(office: Office) -> None:
    """The parent hears of the cancellation after it has asked for the child, and before there is one."""
    agreement = an_agreement()
    parent = await start(office, "Slow", agreement)
    await parent.cancel()
    with pytest.raises(WorkflowFailureError):
        await parent.result()

    async def has_ended() -> bool:
        with suppress(RPCError):  # Temporal may start a child after its parent's end
            return (await office.handle(agreement.reference).describe()).close_time is not None
        return False

    await office.eventually(has_ended, bool)
    for document_id in await office.documents_of(agreement):
        assert await office.status_at_provider(document_id) == "voided"


@pytest.mark.usefixtures("parents")
@pytest.mark.parametrize("how", ["retry", "continue as new"])
async def test_the_parents_next_run_meets_the_same_agreement(office: Office, how: str) -> None:
    agreement = an_agreement()
    parent = await start(
        office,
        "Restarting",
        agreement,
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=2),
    )
    await office.sent(office.handle(agreement.reference))
    await parent.signal("restart", how)
    await second_run(office, parent)
    await sign(office, agreement.reference)
    result = await parent.result()
    assert (result["outcome"], result["reference"]) == (Outcome.COMPLETED, agreement.reference)
    assert len(await office.documents_of(agreement)) == 1


@pytest.mark.usefixtures("parents")
async def test_cancelling_a_later_run_of_the_parent_voids_the_document(office: Office) -> None:
    agreement = an_agreement()
    parent = await start(office, "Restarting", agreement)
    document_id = await office.sent(office.handle(agreement.reference))
    await parent.signal("restart", "continue as new")
    await second_run(office, parent)
    await parent.cancel()
    with pytest.raises(WorkflowFailureError) as failed:
        await parent.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert await office.status_at_provider(document_id) == "voided"


async def second_run(office: Office, parent: WorkflowHandle[Any, Any]) -> None:
    """Wait until the next run of the parent awaits the agreement that the first one started."""

    async def awaiting() -> bool:
        described = await parent.describe()
        pending = described.raw_description.pending_activities
        return described.run_id != parent.first_execution_run_id and len(pending) == 1

    await office.eventually(awaiting, bool)


@pytest.mark.usefixtures("parents")
async def test_failures_have_a_type(office: Office) -> None:
    bad = an_agreement(source=LinkSource(url="https://user:secret@files.example.com/contract.pdf"))
    kind, nothing_sent, message = await (await start(office, "Catching", bad)).result()
    assert (kind, nothing_sent) == (BAD_INPUT, True), message

    running = an_agreement()
    await office.sent(await office.start(running))
    other = running.model_copy(update={"title": "Another contract"})
    kind, nothing_sent, message = await (await start(office, "Catching", other)).result()
    assert (kind, nothing_sent) == (REFERENCE_USED, False)
    assert "other content (title)" in message


@pytest.mark.usefixtures("parents")
async def test_an_uncaught_failure_fails_the_parent_with_its_type(office: Office) -> None:
    bad = an_agreement(source=LinkSource(url="https://user:secret@files.example.com/contract.pdf"))
    with pytest.raises(WorkflowFailureError) as failed:
        await (await start(office, "Parent", bad)).result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == BAD_INPUT


@pytest.mark.usefixtures("parents")
async def test_what_an_operator_does_in_temporal_has_a_type_too(office: Office) -> None:
    cancelled, terminated = an_agreement(), an_agreement()
    parents = [await start(office, "Catching", agreement) for agreement in (cancelled, terminated)]
    document_id = await office.sent(office.handle(cancelled.reference))
    await office.sent(office.handle(terminated.reference))
    await office.handle(cancelled.reference).cancel()
    await office.handle(terminated.reference).terminate()
    assert [(await parent.result())[0] for parent in parents] == [CANCELED, STOPPED]
    assert await office.status_at_provider(document_id) == "voided"
    again = [await start(office, "Catching", agreement) for agreement in (cancelled, terminated)]
    assert [(await parent.result())[0] for parent in again] == [CANCELED, STOPPED]


@pytest.mark.usefixtures("parents")
async def test_an_agreement_that_sent_nothing_runs_again(office: Office) -> None:
    bad = an_agreement(source=LinkSource(url="https://user:secret@files.example.com/contract.pdf"))
    first = await (await start(office, "Catching", bad)).result()
    assert first[0] == BAD_INPUT
    good = an_agreement(reference=bad.reference)
    parent = await start(office, "Catching", good)
    await office.until_stage(office.handle(good.reference), Stage.AWAITING_SIGNATURES)
    await sign(office, good.reference)
    assert await parent.result() == [Outcome.COMPLETED]
