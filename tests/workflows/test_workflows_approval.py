"""Approval as a step: who, when and why; a deadline, reminders, and one decision."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper
from temporalio.worker import Replayer, Worker

from countersign.connection import data_converter
from countersign.testing import eventually
from countersign.workflow.approval import DECIDED, Decision, DecisionRequest
from tests.workflows.approvals import Ask, Asking, Seen

QUEUE = "approvals"
YES = DecisionRequest(approved=True, by="finance-7", reason="within the budget")
NO = DecisionRequest(approved=False, by="finance-8")
Handle = WorkflowHandle[Any, Seen]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _worker(temporal_env: Any) -> AsyncIterator[None]:
    async with Worker(temporal_env.client, task_queue=QUEUE, workflows=[Asking], max_cached_workflows=0):
        yield


pytestmark = pytest.mark.usefixtures("_worker")


async def start(client: Client, ask: Ask | None = None) -> Handle:
    return await client.start_workflow(
        Asking.run, ask or Ask(), id=f"approval-{uuid.uuid4().hex}", task_queue=QUEUE
    )


async def decide(handle: Handle, request: DecisionRequest) -> Decision:
    decision: Decision = await handle.execute_update("decide_quote", request, result_type=Decision)
    return decision


async def refusal(handle: Handle, request: DecisionRequest) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await decide(handle, request)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


async def test_a_decision_holds_who_when_and_why(client: Client) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    handle = await start(client)
    decision = await decide(handle, YES)
    assert (decision.approved, decision.by, decision.reason) == (True, "finance-7", "within the budget")
    assert before <= decision.at <= datetime.now(UTC) + timedelta(seconds=1)
    assert (await handle.result()).decision == decision
    assert "finance-7" not in repr(decision)


async def test_a_decision_twice_is_one_and_another_one_fails(client: Client) -> None:
    handle = await start(client, Ask(announce=True))
    first = await decide(handle, YES)
    assert await decide(handle, YES.model_copy(update={"by": "finance-9"})) == first
    refused = await refusal(handle, NO)
    assert (refused.type, refused.message) == (
        DECIDED,
        f"already approved at {first.at:%Y-%m-%d %H:%M} UTC",
    )
    await handle.signal(Asking.end)
    assert (await handle.result()).decision == first


async def test_a_rejected_update_leaves_no_trace(client: Client) -> None:
    handle = await start(client)
    refused = await refusal(handle, DecisionRequest(approved=True, by="sales-1"))
    assert "only finance may decide" in refused.message
    await decide(handle, NO)
    assert (await handle.result()).decision is not None
    events = (await handle.fetch_history()).events
    names = [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in events]
    assert [name for name in names if "UPDATE" in name] == [
        "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
        "WORKFLOW_EXECUTION_UPDATE_COMPLETED",
    ]


async def test_the_deadline_ends_the_wait_and_later_decisions_fail(time_skipper: TimeSkipper) -> None:
    handle = await start(time_skipper.client, Ask(hours=72, announce=True))
    await time_skipper.fast_forward(handle, timedelta(hours=73))
    await eventually(lambda: handle.query(Asking.late), bool)
    assert (await refusal(handle, YES)).message == "the deadline has passed"
    await handle.signal(Asking.end)
    assert (await handle.result()).decision is None


async def test_reminders_come_until_the_decision_and_all_replays(time_skipper: TimeSkipper) -> None:
    """The worker caches nothing, so every task of this file replays the workflow from its start."""
    handle = await start(time_skipper.client, Ask(hours=100, remind_hours=24))
    await time_skipper.fast_forward(handle, timedelta(hours=50))
    await decide(handle, YES)
    seen = await handle.result()
    assert (seen.reminders, seen.decision and seen.decision.approved) == ([1, 2], True)
    replayer = Replayer(workflows=[Asking], data_converter=data_converter())
    await replayer.replay_workflow(await handle.fetch_history())


async def test_a_run_that_continues_as_new_keeps_the_decision(client: Client) -> None:
    decided = Decision(approved=True, by="finance-7", at=datetime.now(UTC))
    handle = await start(client, Ask(hours=0, carried=decided))
    assert (await handle.result()).decision == decided
