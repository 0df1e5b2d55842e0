"""A query that moves a run ahead of its workflow task leaves no run behind that a replay could not reach."""

import os
from pathlib import Path

import pytest
from temporalio.bridge.proto.workflow_activation import (
    FireTimer,
    QueryWorkflow,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import WorkflowInstance
from temporalio.worker._command_aware_visitor import CommandInfo
from temporalio.workflow import Info

from countersign.eviction import LEGACY_QUERY, WatchedInstance
from countersign.testing.server import temporal_executable
from docs.reports.query_ahead_of_task import reproduce
from tests.conftest import cannot_run

ROOT = Path(__file__).parents[2]
ARGUMENTS = ("--rounds", "1", "--sticky", "3")


EVENTS = WorkflowActivationJob(fire_timer=FireTimer(seq=1))
QUERY = WorkflowActivationJob(query_workflow=QueryWorkflow(query_id=LEGACY_QUERY))
QUERY_OF_A_TASK = WorkflowActivationJob(query_workflow=QueryWorkflow(query_id="1"))


class Unmoved(WorkflowInstance):
    """A run that does nothing."""

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return WorkflowActivationCompletion(run_id=act.run_id)

    def get_serialization_context(self, command_info: CommandInfo | None) -> None: ...

    def get_external_store_context(self, command_info: CommandInfo | None) -> StorageDriverStoreContext:
        raise NotImplementedError

    def get_info(self) -> Info:
        raise NotImplementedError

    def get_thread_id(self) -> int | None: ...


@pytest.mark.parametrize(
    ("activations", "evictions"),
    [
        ([(EVENTS, True), (EVENTS, False), (QUERY, True)], 1),
        ([(EVENTS, False), (QUERY, True)], 1),  # in the cache, and never replayed
        ([(EVENTS, False), (QUERY, True), (QUERY, True)], 1),
        ([(EVENTS, False), (QUERY, True), (EVENTS, False), (QUERY, True)], 2),
        ([(EVENTS, True), (QUERY, True)], 0),
        ([(EVENTS, False), (QUERY_OF_A_TASK, False)], 0),
        ([(QUERY, True)], 0),
    ],
)
def test_only_a_query_after_new_events_evicts(
    activations: list[tuple[WorkflowActivationJob, bool]], evictions: int
) -> None:
    evicted: list[str] = []
    run = WatchedInstance(Unmoved(), evicted.append)
    for job, is_replaying in activations:
        run.activate(WorkflowActivation(run_id="a", is_replaying=is_replaying, jobs=[job]))
    assert evicted == ["a"] * evictions


async def histories_replay(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> bool:
    """Run the reproduction; whether its history replays."""
    temporal = temporal_executable() or cannot_run("no Temporal CLI on this machine")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    options = reproduce.read_options(("--temporal", temporal, *ARGUMENTS, *arguments))
    return await reproduce.run(options) == 0


@pytest.mark.thorough
async def test_a_run_that_a_query_moved_ahead_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).with_name("evicting_worker.py")
    assert await histories_replay(monkeypatch, "--script", str(script))


@pytest.mark.heavy
async def test_the_sdk_still_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails for good, the SDK has mended the fault, and countersign/eviction.py can go.

    Whether the query comes first is a matter of seconds, so it has some tries.
    """
    replayed = [await histories_replay(monkeypatch) for _ in range(4)]
    assert not all(replayed)
