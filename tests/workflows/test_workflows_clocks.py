"""Neither a decision nor the order of commands depends on the clock of a workflow task."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from countersign.connection import data_converter
from worker import workflow_runner
from workflows.agreement import AgreementWorkflow

HISTORIES: Final = sorted((Path(__file__).parents[1] / "histories").rglob("*.json"))
LOST_TASKS: Final = sorted((Path(__file__).parent / "lost_tasks").glob("*.json"))
CLOCKS: Final[dict[str, Callable[[random.Random], timedelta]]] = {
    "a day behind": lambda _: timedelta(days=-1),
    "a year ahead": lambda _: timedelta(days=365),
    "a second off": lambda chance: timedelta(seconds=chance.uniform(-1, 1)),
    "anywhere": lambda chance: timedelta(days=chance.uniform(-40, 40)),
}


def with_clock(path: Path, shift: Callable[[random.Random], timedelta]) -> WorkflowHistory:
    """Read a history and give each of its workflow tasks another clock."""
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    chance = random.Random(path.stem)
    for event in history.events:
        if event.HasField("workflow_task_started_event_attributes"):
            shifted = event.event_time.ToDatetime(UTC) + shift(chance)
            event.event_time.FromDatetime(max(shifted, datetime(2000, 1, 1, tzinfo=UTC)))
    return history


def replayer() -> Replayer:
    return Replayer(
        workflows=[AgreementWorkflow],
        workflow_runner=workflow_runner(sandboxed=False),
        data_converter=data_converter(),
    )


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_every_recorded_history_replays_with_another_clock(path: Path, clock: str) -> None:
    await replayer().replay_workflow(with_clock(path, CLOCKS[clock]))


@pytest.mark.parametrize("path", LOST_TASKS, ids=lambda path: path.stem)
async def test_a_history_that_no_replay_reaches_ends_at_once(path: Path) -> None:
    """Recorded after a query had moved the run ahead of its task; see docs/reports/query_ahead_of_task."""
    history = with_clock(path, lambda _: timedelta(0))
    async with asyncio.timeout(30):
        replayed = await replayer().replay_workflow(history, raise_on_replay_failure=False)
    assert isinstance(replayed.replay_failure, NondeterminismError)
