"""A worker that is stopped in the middle of a send: it lets it finish; one that takes too long is unknown."""

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.agreements.messages import WaitingFor
from devstack.sandbox import Sandbox
from tests.workflows.office import SEND, Handle, Office, an_agreement, open_office
from tests.workflows.scenarios import NO_ONE

Worker = Callable[..., AbstractAsyncContextManager[Office]]


@pytest.fixture
def worker(client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path) -> Worker:
    """Runs a worker, always on the same queues; the next one goes on with what this one leaves."""
    return partial(open_office, client, time_skipper, sandbox, tmp_path, task_queue=uuid.uuid4().hex)


async def steps(handle: Handle) -> list[str]:
    """The steps of an agreement, in their order."""
    events = (await handle.fetch_history()).events
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


@pytest.mark.heavy
async def test_a_stopping_worker_lets_a_send_finish(worker: Worker) -> None:
    agreement = an_agreement()
    async with worker(graceful_stop_seconds=20) as office:
        await office.break_call(SEND, "latency", at="after", seconds=1)
        handle = await office.start(agreement)
        await office.eventually(lambda: office.documents_of(agreement), bool)
    async with worker() as office:
        document_id = await office.sent(handle)
        await office.mend()
        assert await office.documents_of(agreement) == [document_id]
        assert await steps(handle) == ["send"]
        await handle.terminate()


@pytest.mark.heavy
async def test_a_send_that_outlives_the_graceful_stop_is_unknown_and_adopted(worker: Worker) -> None:
    agreement = an_agreement()
    async with worker(graceful_stop_seconds=0.1) as office:
        await office.sandbox.subscribe(NO_ONE)
        await office.break_call(SEND, "hang", at="after")
        handle = await office.start(agreement)
        await office.eventually(lambda: office.documents_of(agreement), bool)
    async with worker() as office:
        await office.mend()
        await office.skip(handle, timedelta(minutes=15))
        assert await office.documents_of(agreement) == [await office.sent(handle)]
        assert (await steps(handle)).count("send") == 1
        await handle.terminate()


@pytest.mark.heavy
async def test_one_that_the_provider_never_did_waits_for_a_person(worker: Worker) -> None:
    agreement = an_agreement()
    async with worker(graceful_stop_seconds=0.1) as office:
        await office.sandbox.subscribe(NO_ONE)
        await office.break_call(SEND, "hang")

        async def hits() -> int:
            return int((await office.sandbox.call("GET", "/_sandbox/faults"))["api"][0]["hits"])

        handle = await office.start(agreement)
        await office.eventually(hits, bool)
    async with worker() as office:
        await office.mend()
        await office.skip(handle, timedelta(minutes=15))
        status = await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
        assert status.needs_attention is not None
        assert (await steps(handle)).count("send") == 1
        await handle.terminate()
