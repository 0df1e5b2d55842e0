"""A step that Temporal handed to a worker that was gone is run by another after the time-out."""

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.agreements.messages import AgreementInput, FileSource, Outcome
from countersign.agreements.names import DEFAULT_ACCOUNT, account_task_queue
from countersign.storage import FolderStore, put
from devstack.sandbox import Sandbox
from tests.workflows.office import Office, an_agreement, open_office, steps_of
from tests.workflows.scenarios import NO_ONE

pytestmark = pytest.mark.thorough

CONTRACT = Path(__file__).parents[2] / "docs" / "examples" / "contract.pdf"
OpenOffice = Callable[..., AbstractAsyncContextManager[Office]]


@pytest.fixture
def opened(client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path) -> OpenOffice:
    """Runs a worker, always on the same queues; a send may take 7.5 s, an archiving be silent for 6 s."""
    queue = uuid.uuid4().hex
    return partial(open_office, client, time_skipper, sandbox, tmp_path, task_queue=queue, time_scale=20)


async def an_uploaded_agreement(folder: Path) -> AgreementInput:
    """Make an agreement whose first call of the provider is its send."""
    stored = await put(FolderStore(folder), "uploads/contract.pdf", CONTRACT.read_bytes())
    return an_agreement(source=FileSource(key=stored.key, file_name="contract.pdf", sha256=stored.sha256))


async def lose(office: Office, step: str) -> None:
    """Take the account's next task as the poll of a worker does that stops in this moment: nobody runs it."""
    queue = TaskQueue(name=account_task_queue(office.task_queue, DEFAULT_ACCOUNT))
    request = PollActivityTaskQueueRequest(
        namespace=office.client.namespace, task_queue=queue, identity="a worker that is gone"
    )
    task = await office.client.workflow_service.poll_activity_task_queue(
        request, timeout=timedelta(minutes=1)
    )
    assert task.activity_type.name == step


async def test_a_step_that_a_stopped_worker_was_handed_is_run_by_another(
    opened: OpenOffice, tmp_path: Path
) -> None:
    agreement = await an_uploaded_agreement(tmp_path)
    async with opened(serves_account=False) as office:
        await office.sandbox.subscribe(NO_ONE)
        handle = await office.start(agreement)
        await lose(office, "send")
    async with opened() as office:
        document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]
    assert (await steps_of(handle))[:3] == ["send", "revoke_send", "send"], "no person was asked"
    async with opened(serves_account=False) as office:
        await office.sign_all(document_id)
        await office.deliver_event(handle, "completed", document_id)
        await lose(office, "archive")
    async with opened() as office:
        result = await office.result(handle)
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, document_id)
    assert (await steps_of(handle)).count("archive") == 1, "Temporal repeated it by itself"


async def test_what_no_worker_could_send_before_the_deadline_is_not_sent(opened: OpenOffice) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=3)
    agreement = an_agreement(deadline=deadline)

    async def now() -> datetime:
        return datetime.now(UTC)

    async with opened(serves_account=False) as office:
        handle = await office.start(agreement)
        await office.eventually(lambda: steps_of(handle), lambda steps: steps == ["send"])
        await office.eventually(now, lambda at: at > deadline)  # no time is skipped while a step is pending
    async with opened() as office:
        assert (await office.result(handle)).outcome is Outcome.EXPIRED
    assert await office.documents_of(agreement) == []
