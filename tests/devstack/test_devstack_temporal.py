"""Test that Temporal is found, and continues from its file after a kill."""

from pathlib import Path

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.client import Client
from temporalio.common import Priority

from countersign.agreements import search_attributes
from countersign.agreements.batches import BULK_PRIORITY
from devstack import temporal
from devstack.processes import prints
from devstack.stack import Plan, Stack


async def test_temporal_on_the_path_is_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "temporal"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await temporal.find_temporal(tmp_path) == mine


async def test_then_temporal_beside_the_python_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = await temporal.find_temporal(tmp_path)
    assert found.name == "temporal"
    assert found.is_file()


async def test_then_a_downloaded_temporal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    downloaded = tmp_path / "downloads" / "temporal-sdk-python-1.35.0"
    downloaded.parent.mkdir()
    downloaded.touch()
    assert await temporal.find_temporal(downloaded.parent) == downloaded


async def test_the_server_lets_batches_take_turns(tmp_path: Path) -> None:
    plan = Plan(
        folder=tmp_path,
        worker=[],
        worker_ready=prints(""),
        search_attributes=search_attributes.TYPES,
        parts=["temporal"],
    )
    rows, begun = 60, 20
    async with Stack(plan) as stack:
        client = await Client.connect(stack.temporal_address)
        for batch in ("first", "second"):
            priority = Priority(priority_key=BULK_PRIORITY, fairness_key=batch)
            for row in range(rows):
                await client.start_workflow("Row", id=f"{batch}-{row}", task_queue="rows", priority=priority)
        request = PollWorkflowTaskQueueRequest(
            namespace="default", task_queue=TaskQueue(name="rows"), identity="test"
        )
        names = [
            (await client.workflow_service.poll_workflow_task_queue(request)).workflow_execution.workflow_id
            for _ in range(begun)
        ]
    of_second = sum(name.startswith("second") for name in names)
    assert begun / 4 <= of_second <= begun * 3 / 4, "each partition of the queue takes turns"


@pytest.mark.heavy
async def test_the_server_keeps_its_workflows_when_killed(tmp_path: Path) -> None:
    plan = Plan(
        folder=tmp_path,
        worker=[],
        worker_ready=prints(""),
        search_attributes=search_attributes.TYPES,
        parts=["temporal"],
    )
    async with Stack(plan) as stack:
        client = await Client.connect(stack.temporal_address)
        await client.start_workflow("Waiting", id="one", task_queue="nobody")
        stack.supervisor.kill("temporal")
        await stack.supervisor.restart("temporal")
        client = await Client.connect(stack.temporal_address)
        description = await client.get_workflow_handle("one").describe()
    assert description.workflow_type == "Waiting"
