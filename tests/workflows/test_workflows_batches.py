"""What becomes of an agreement does not depend on which events share a workflow task."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.testing import TimeSkipper
from temporalio.worker import Replayer

import worker
from countersign.agreements.messages import Outcome
from countersign.connection import data_converter
from devstack.sandbox import Sandbox
from tests.workflows.office import open_office
from tests.workflows.scenarios import SCENARIOS
from tests.workflows.splitting import ORDERS, SplittingRunner
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.thorough

HISTORIES: Final = sorted((Path(__file__).parents[1] / "histories").glob("*.json"))
STORIES: Final = ("happy", "expired", "finalization_failed", "held_back", "reminded", "voided")
Event = dict[str, Any]


def merged(path: Path) -> tuple[WorkflowHistory, int]:
    """Read a history without the workflow tasks that did nothing: their events join the next task's."""
    history = json.loads(path.read_text())
    kept = list(_without_idle_tasks(history["events"]))
    ids = {event["eventId"]: str(number) for number, event in enumerate(kept, start=1)}
    dropped = len(history["events"]) - len(kept)
    history["events"] = [_renumbered(event, ids) for event in kept]
    return WorkflowHistory.from_json(path.stem, json.dumps(history)), dropped


def _without_idle_tasks(events: list[Event]) -> Iterator[Event]:
    busy = {
        details["workflowTaskCompletedEventId"]
        for event in events
        for details in event.values()
        if isinstance(details, dict) and "workflowTaskCompletedEventId" in details
    }
    busy |= {  # an accepted update does not name its task, and comes right after it
        before["eventId"]
        for before, event in pairwise(events)
        if "workflowExecutionUpdateAcceptedEventAttributes" in event
    }
    idle: set[str] = set()
    for event in events:
        completed = event.get("workflowTaskCompletedEventAttributes")
        if completed is not None and event["eventId"] not in busy:
            idle |= {event["eventId"], completed["scheduledEventId"], completed["startedEventId"]}
    return (event for event in events if event["eventId"] not in idle)


def _renumbered(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renumbered(item, ids) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: ids.get(item, item) if name.lower().endswith("eventid") else _renumbered(item, ids)
        for name, item in value.items()
    }


FIRST_ORDER, *REST = ORDERS


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_events_of_several_tasks_may_come_in_one(path: Path) -> None:
    history, _ = merged(path)
    replayer = Replayer(
        workflows=[AgreementWorkflow],
        workflow_runner=worker.workflow_runner(sandboxed=True),
        data_converter=data_converter(),
    )
    await replayer.replay_workflow(history)


def test_there_are_tasks_to_merge() -> None:
    assert sum(dropped > 0 for _, dropped in map(merged, HISTORIES)) >= 5


@pytest.mark.parametrize(
    "order", [FIRST_ORDER, *(pytest.param(name, marks=pytest.mark.heavy) for name in REST)]
)
@pytest.mark.parametrize("name", STORIES)
async def test_events_of_one_task_may_come_in_several(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    order: str,
) -> None:
    ends = []
    for runner in (None, SplittingRunner(worker.workflow_runner(sandboxed=True), ORDERS[order])):
        with monkeypatch.context() as patch:
            if runner is not None:
                patch.setattr(worker, "workflow_runner", lambda runner=runner, **_: runner)
            async with open_office(client, time_skipper, sandbox, tmp_path) as office:
                handle = await SCENARIOS[name](office)
                try:
                    result = await office.result(handle)
                except WorkflowFailureError:
                    pytest.fail(f"{name} ended without a result")
                status = await office.status(handle)
                ends.append((result.outcome, result.resolved_by, status.reminders, status.ignored))
                await office.mend()
    assert ends[0] == ends[1]


@pytest.mark.parametrize("order", ORDERS)
async def test_events_that_waited_for_a_worker_may_come_one_by_one(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    order: str,
) -> None:
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        handle = await office.start()
        document_id = await office.sent(handle)
    await sandbox.complete(document_id)
    for kind in ("viewed", "viewed", "completed", "voided"):
        await office.deliver_event(handle, kind, document_id)
    runner = SplittingRunner(worker.workflow_runner(sandboxed=True), ORDERS[order])
    monkeypatch.setattr(worker, "workflow_runner", lambda **_: runner)
    queue = office.settings.task_queue
    async with open_office(client, time_skipper, sandbox, tmp_path, task_queue=queue) as later:
        result = await later.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")
    assert runner.split > 0
