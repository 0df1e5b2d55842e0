"""Test that Temporal is found, and continues from its file after a kill."""

from pathlib import Path

import pytest
from temporalio.client import Client

from countersign.agreements import search_attributes
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
