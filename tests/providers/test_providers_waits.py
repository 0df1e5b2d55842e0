"""`status` and `watch` say what is held up at the provider: Temporal knows it of pending activities."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.errors import provider_errors
from commands import waits
from commands.progress import News
from countersign.providers.errors import ThrottledError
from workflows.messages import AgreementStatus, Stage, WaitingFor


@workflow.defn
class Held:
    @workflow.run
    async def run(self, step: str) -> None:
        await workflow.execute_activity(
            step, task_queue=f"{workflow.info().task_queue}-p", start_to_close_timeout=timedelta(seconds=20)
        )


@activity.defn
async def look() -> None:
    with provider_errors():
        raise ThrottledError("look: throttled (429)", operation="look", retry_after=3000)


@asynccontextmanager
async def held(client: Client, step: str, *, worked: bool) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    queue = uuid.uuid4().hex
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=queue, workflows=[Held], workflow_runner=runner):
        handle = await client.start_workflow(Held.run, step, id=uuid.uuid4().hex, task_queue=queue)
        if worked:
            async with Worker(client, task_queue=f"{queue}-p", activities=[look]):
                yield handle
        else:
            yield handle
        await handle.terminate()


async def told(handle: WorkflowHandle[Any, Any]) -> str:
    while (wait := await waits.provider_wait(handle)) is None:  # noqa: ASYNC110  # Temporal tells nobody
        await asyncio.sleep(0.05)
    return wait


async def test_a_throttled_step_says_so_and_when_it_is_tried_again(client: Client) -> None:
    async with held(client, "look", worked=True) as handle:
        wait = await told(handle)
    assert wait.startswith("look: throttled (429); attempt 2 in 5")
    assert wait.endswith(" min")


async def test_a_step_that_nobody_takes_is_held_back(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_PROMPT", timedelta())
    async with held(client, "send", worked=False) as handle:
        wait = await told(handle)
    assert wait.startswith("send is held back: the circuit is open, the rate limit is reached, or no worker")


async def test_the_store_is_not_the_provider(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_PROMPT", timedelta())
    async with held(client, "claim", worked=False) as handle:
        while not (await handle.describe()).raw_description.pending_activities:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.05)
        assert await waits.provider_wait(handle) is None


def test_a_watcher_tells_it_once_however_the_time_counts_down() -> None:
    news, lines = News(), list[str]()
    for minutes in (5, 4, 3):
        lines += news.of(
            AgreementStatus(
                reference="X-1",
                stage=Stage.GENERATING,
                waiting_for=WaitingFor.PROVIDER,
                provider_wait=f"generate: HTTP 503; attempt 7 in {minutes} min",
            )
        )
    assert lines == ["waiting for the provider: generate: HTTP 503"]
