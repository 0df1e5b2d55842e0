"""A send that never began is repeated without a person; one that began is never begun again."""

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from countersign.agreements.failures import NOT_SENT, OUTCOME_UNKNOWN
from countersign.agreements.messages import DeliverableSource, Outcome, VoidRequest
from countersign.storage import Draft, Fence, FolderStore, StoredFile
from countersign.storage.store import StoreKeys
from devstack.sandbox import Sandbox
from tests.workflows.dying_worker import TIME_SCALE
from tests.workflows.office import SEND, TEMPLATE, Handle, Office, an_agreement, open_office, steps_of
from tests.workflows.scenarios import NO_ONE
from workflows.agreement import AgreementWorkflow

ROOT = Path(__file__).parents[2]
PRICE = {"placeholder": "{Price}", "text": "1", "mimeType": "text"}
KEY = "order-1042/sending-1.json"


@pytest.mark.parametrize(
    ("kind", "steps"),
    [("template", ["send"]), ("deliverable", ["send", "revoke_send", "send"])],
    ids=["by Temporal, since the send generates", "by the workflow, since its attempt is revoked"],
)
async def test_a_send_is_repeated_if_its_worker_was_killed_before_the_call(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    kind: str,
    steps: list[str],
) -> None:
    agreement, task_queue = an_agreement(), uuid.uuid4().hex
    if kind == "deliverable":
        body = {"name": "An agreement", "templateId": TEMPLATE, "variables": [PRICE]}
        made = await sandbox.call("POST", "/v1/deliverable", body)
        source = DeliverableSource(deliverable_id=made["data"]["results"]["deliverable"]["id"])
        agreement = an_agreement(source=source)
    arguments = [client.service_client.config.target_host, sandbox.url, str(tmp_path), task_queue]
    worker = await another_worker(*arguments)
    office = office_of(client, time_skipper, sandbox, tmp_path, task_queue)
    handle = await office.start(agreement)
    assert await asyncio.wait_for(worker.wait(), 60) == -9, "killed by its send"
    async with open_office(
        client, time_skipper, sandbox, tmp_path, task_queue=task_queue, time_scale=TIME_SCALE
    ) as office:
        document_id = await office.sent(handle)
        assert await office.documents_of(agreement) == [document_id]
        assert await steps_of(handle) == steps
        await handle.terminate()


@pytest.mark.thorough
async def test_a_void_after_the_worker_was_killed_in_the_send_voids_what_was_sent(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The attempt is scheduled again, and cancelled there; that says nothing of what was sent before."""
    agreement, task_queue = an_agreement(), uuid.uuid4().hex
    office = office_of(client, time_skipper, sandbox, tmp_path, task_queue)
    await sandbox.subscribe(NO_ONE)
    await office.break_call(SEND, "latency", at="after", seconds=600)
    arguments = [client.service_client.config.target_host, sandbox.url, str(tmp_path), task_queue]
    worker = await another_worker(*arguments, "late")
    handle = await office.start(agreement)
    (document_id,) = await office.eventually(lambda: office.documents_of(agreement), bool)
    worker.kill()
    await worker.wait()
    await office.mend()
    given: dict[str, Any] = {"task_queue": task_queue, "time_scale": TIME_SCALE}
    async with open_office(client, time_skipper, sandbox, tmp_path, serves_account=False, **given) as office:
        await office.eventually(lambda: tries_of(handle), lambda tries: tries == 2)
        await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="signed on paper"))
        await office.eventually(lambda: steps_of(handle), lambda steps: "search" in steps)
    async with open_office(client, time_skipper, sandbox, tmp_path, **given) as office:
        assert (await office.result(handle)).outcome is Outcome.VOIDED
    assert await office.status_at_provider(document_id) == "voided"
    assert await office.documents_of(agreement) == [document_id]


async def another_worker(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.workflows.dying_worker", *arguments, cwd=ROOT
    )


def office_of(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, folder: Path, task_queue: str
) -> Office:
    """An office with its worker in another process."""
    return Office(
        client=client,
        time=time_skipper,
        task_queue=task_queue,
        sandbox=sandbox,
        store=FolderStore(folder),
        folder=folder,
        settings=None,  # type: ignore[arg-type]  # its worker is another process
    )


async def tries_of(handle: Handle) -> int:
    """How often the step that is pending was tried, and is scheduled again."""
    pending = (await handle.describe()).raw_description.pending_activities
    return sum(step.attempt for step in pending)


class SlowStore(FolderStore):
    """Holds the first fence, which is the send's, until the second one, which revokes it, is written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.is_held, self.is_revoked = asyncio.Event(), asyncio.Event()

    async def publish(self, key: str, draft: Draft) -> StoredFile:
        if "/sending-" not in key:
            return await super().publish(key, draft)
        if not self.is_held.is_set():
            self.is_held.set()
            await self.is_revoked.wait()
            return await super().publish(key, draft)
        stored = await super().publish(key, draft)
        self.is_revoked.set()
        return stored


async def test_a_void_while_it_generates_revokes_the_send(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    agreement, store = an_agreement(), SlowStore(tmp_path)
    async with open_office(client, time_skipper, sandbox, tmp_path, store=store) as office:
        handle = await office.start(agreement)
        await asyncio.wait_for(store.is_held.wait(), 60)
        await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="signed on paper"))
        assert (await office.result(handle)).outcome is Outcome.VOIDED
        assert await steps_of(handle) == ["send", "revoke_send"]
        assert await office.documents_of(agreement) == []


async def test_a_reset_to_before_the_result_of_a_send_sends_nothing_again(office: Office) -> None:
    await office.sandbox.subscribe(NO_ONE)
    agreement = an_agreement()
    handle = await office.start(agreement)
    document_id = await office.sent(handle)
    again = await reset_to_before_the_send(office, handle)
    await office.deliver_event(again, "sent", document_id)
    assert await office.sent(again) == document_id
    assert await office.documents_of(agreement) == [document_id]
    await office.sign_all(document_id)
    await office.deliver_event(again, "completed", document_id)
    assert (await office.result(again)).outcome is Outcome.COMPLETED


async def reset_to_before_the_send(office: Office, handle: Handle) -> Handle:
    """Reset a workflow to the workflow task that scheduled its send; signals after it are not repeated."""
    (scheduled,) = [
        event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        async for event in handle.fetch_history_events()
        if event.activity_task_scheduled_event_attributes.activity_type.name == "send"
    ]
    response = await office.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=office.client.namespace,
            workflow_execution=WorkflowExecution(
                workflow_id=handle.id, run_id=handle.first_execution_run_id or ""
            ),
            reason="a test",
            workflow_task_finish_event_id=scheduled,
            request_id=uuid.uuid4().hex,
            reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL],
        )
    )
    return office.client.get_workflow_handle(
        handle.id, run_id=response.run_id, result_type=handle._result_type
    )


@pytest.fixture
def fence(tmp_path: Path) -> Fence:
    return Fence(FolderStore(tmp_path))


async def test_of_a_send_and_its_revocation_one_wins(fence: Fence) -> None:
    async def began(key: str) -> bool:
        try:
            await fence.begin(key)
        except ApplicationError as error:
            return error.type != NOT_SENT
        return True

    outcomes = set()
    for number in range(1, 40):
        key = f"order-1042/sending-{number}.json"
        starts = [began(key), fence.revoke(key)]
        outcome = await asyncio.gather(*(starts if number % 2 else starts[::-1]))
        outcomes.add(tuple(outcome if number % 2 else outcome[::-1]))
    assert outcomes <= {(True, False), (False, True)}


async def test_what_was_revoked_never_begins(fence: Fence) -> None:
    assert await fence.revoke(KEY)
    assert await fence.revoke(KEY), "a repetition of the step finds its own entry"
    with pytest.raises(ApplicationError) as refused:
        await fence.begin(KEY)
    assert refused.value.type == NOT_SENT


async def test_what_began_is_unknown_to_a_second_start(fence: Fence) -> None:
    await fence.begin(KEY)
    assert not await fence.revoke(KEY)
    with pytest.raises(ApplicationError) as refused:
        await fence.begin(KEY)
    assert refused.value.type == OUTCOME_UNKNOWN


async def test_every_attempt_of_every_claim_has_a_fence(fence: Fence, tmp_path: Path) -> None:
    keys = StoreKeys("test", "default")
    for claim in (1, 2):
        for number in (1, 2):
            await fence.begin(keys.sending("order-1042", claim, number))
    files = entries(tmp_path)
    assert set(files) == {"sending-1.json", "sending-2.json", "sending-1.2.json", "sending-2.2.json"}
    assert all(set(entry) == {"attempt", "at"} for entry in files.values())


def entries(folder: Path) -> dict[str, dict[str, str]]:
    return {path.name: json.loads(path.read_text()) for path in folder.rglob("sending-*")}
