"""An agreement that ends while it is told something has ended; it is not unknown."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from countersign.agreements.messages import AgreementStatus, Stage, WaitingFor
from countersign.agreements.reference import workflow_id
from countersign.client import worker_calls
from countersign.client.agreements import remind_agreement
from countersign.client.errors import RefusedError


@workflow.defn(name="EndingAgreement")
class EndingAgreement:
    """Accepts a reminder, and ends instead of completing it."""

    def __init__(self) -> None:
        self._reminded = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._reminded)

    @workflow.query
    def status(self) -> AgreementStatus:
        return AgreementStatus(
            reference="x", stage=Stage.AWAITING_SIGNATURES, waiting_for=WaitingFor.SIGNATURES
        )

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def remind(self) -> None:
        self._reminded = True
        await workflow.wait_condition(lambda: False)


@pytest.fixture
def reference() -> str:
    return f"ending-{uuid.uuid4().hex[:10]}"


async def start(client: Client, reference: str, queue: str) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(EndingAgreement.run, id=workflow_id(reference), task_queue=queue)


def answer_first(monkeypatch: pytest.MonkeyPatch, then: Callable[[], Awaitable[object]]) -> None:
    """Answer the first question for the status as if it came a moment earlier."""
    ask, answered = worker_calls.ask_status, False

    async def first(*arguments: Any) -> Any:
        nonlocal answered
        if answered:
            return await ask(*arguments)
        answered = True
        return await then()

    monkeypatch.setattr(worker_calls, "ask_status", first)


async def test_an_update_that_waits_while_the_agreement_ends(
    client: Client, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await start(client, reference, "nobody-polls-this")
    answer_first(monkeypatch, lambda: asyncio.sleep(0))
    sending = asyncio.create_task(remind_agreement(reference, client=client))
    await asyncio.wait({sending}, timeout=1)  # the update waits in the server; if it came late: the next test
    await handle.terminate()
    with pytest.raises(RefusedError, match="has already ended: see `status "):
        await sending


async def test_an_update_after_the_end(
    client: Client, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await start(client, reference, "nobody-polls-this")
    answer_first(monkeypatch, handle.terminate)
    with pytest.raises(RefusedError, match="has already ended: see `status "):
        await remind_agreement(reference, client=client)


async def test_an_update_that_was_accepted_and_not_done(client: Client, reference: str) -> None:
    queue = uuid.uuid4().hex
    async with Worker(
        client,
        task_queue=queue,
        workflows=[EndingAgreement],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        await start(client, reference, queue)
        with pytest.raises(RefusedError, match=f"{reference} ended before it had done `remind`: see `status"):
            await remind_agreement(reference, client=client)
