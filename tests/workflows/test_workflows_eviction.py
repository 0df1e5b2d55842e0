"""A query that moves a run ahead of its workflow task leaves no run behind that a replay could not reach."""

import os
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
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


def live(history_length: int, *, at: int, is_replaying: bool = False) -> WorkflowActivation:
    """Events up to a length of the history, of a task that has started at a time."""
    events = WorkflowActivationJob(fire_timer=FireTimer(seq=1))
    return WorkflowActivation(
        run_id="a",
        is_replaying=is_replaying,
        history_length=history_length,
        timestamp=Timestamp(seconds=at),
        jobs=[events],
    )


def replayed(history_length: int, *, at: int) -> WorkflowActivation:
    return live(history_length, at=at, is_replaying=True)


def _query(query_id: str) -> WorkflowActivation:
    job = WorkflowActivationJob(query_workflow=QueryWorkflow(query_id=query_id))
    return WorkflowActivation(run_id="a", jobs=[job])


QUERY = _query(LEGACY_QUERY)
QUERY_OF_A_TASK = _query("1")


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
        ([replayed(3, at=1), live(6, at=1), QUERY], 1),  # no new task has started
        ([replayed(3, at=1), live(6, at=2), QUERY], 1),  # perhaps another worker has started it
        ([live(3, at=1), live(6, at=1), QUERY], 1),  # in the cache, and never replayed
        ([live(3, at=1), live(6, at=1), live(6, at=1), QUERY], 1),
        ([live(3, at=1), live(6, at=1), QUERY, QUERY], 1),
        ([live(3, at=1), live(6, at=1), QUERY, live(9, at=1), QUERY], 2),
        ([live(6, at=2), live(5, at=2), QUERY], 1),  # the update that had begun a task was rejected
        ([live(3, at=1), QUERY], 0),
        ([live(3, at=1), live(6, at=2), QUERY], 0),
        ([live(3, at=1), live(3, at=1), QUERY], 0),  # one task, activated twice
        ([live(3, at=1), live(6, at=2), live(6, at=2), QUERY], 0),
        ([replayed(3, at=1), QUERY, live(6, at=2), QUERY], 0),
        ([replayed(3, at=1), live(6, at=2), live(9, at=3), QUERY], 0),
        ([replayed(3, at=1), QUERY], 0),
        ([replayed(3, at=1), live(6, at=1), QUERY_OF_A_TASK, QUERY], 0),
        ([QUERY], 0),
    ],
)
def test_only_a_query_that_no_task_preceded_evicts(
    activations: list[WorkflowActivation], evictions: int
) -> None:
    evicted: list[str] = []
    run = WatchedInstance(Unmoved(), evicted.append)
    for activation in activations:
        run.activate(activation)
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
