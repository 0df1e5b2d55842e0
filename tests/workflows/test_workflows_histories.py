"""Running agreements outlive deployments: today's code must replay yesterday's histories."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.testing import TimeSkipper
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from countersign.agreements.messages import AgreementResult
from countersign.connection import data_converter
from devstack.sandbox import Sandbox
from tests.workflows.amended import AmendedWorkflow, CarelessWorkflow
from tests.workflows.office import Office, open_office
from tests.workflows.reordered import ReorderedWorkflow
from tests.workflows.scenarios import SCENARIOS
from worker import workflow_runner
from workflows.agreement import AgreementWorkflow

GOLDEN = Path(__file__).parents[1] / "histories"
ALL = sorted(GOLDEN.rglob("*.json"))
"""Those in `step_by_step` are of agreements that claimed and generated in steps of their own."""
ROOT = Path(__file__).parents[2]


def replayer(workflow: type = AgreementWorkflow) -> Replayer:
    return Replayer(
        workflows=[workflow], workflow_runner=workflow_runner(sandboxed=True), data_converter=data_converter()
    )


def name_of(path: Path) -> str:
    return str(path.relative_to(GOLDEN).with_suffix(""))


def recorded(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(name, (GOLDEN / f"{name}.json").read_text())


async def runs_of(office: Office, workflow_id: str) -> list[WorkflowHistory]:
    """Fetch the history of every run, the first one first."""
    histories: list[WorkflowHistory] = []
    run_id: str | None = None
    while run_id != "":
        handle = office.client.get_workflow_handle(workflow_id, run_id=run_id)
        histories.insert(0, await handle.fetch_history())
        started = histories[0].events[0].workflow_execution_started_event_attributes
        run_id = started.continued_execution_run_id
    return histories


def without_this_machine(history: str) -> str:
    """Take out what is about the machine that recorded: folders and process names."""
    elsewhere = re.sub(r'"identity": "[^"]*"', '"identity": "recorded"', history.replace(str(ROOT), "."))
    return re.sub(r'File \\"[^"]*/(lib/python[^"]*)\\"', r'File \\"\1\\"', elsewhere)


@pytest.mark.thorough  # `make test` replays the recorded ones
@pytest.mark.parametrize("name", SCENARIOS)
async def test_every_branch_replays(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    name: str,
    record_histories: bool,
) -> None:
    async with open_office(client, time_skipper, sandbox, tmp_path, sandboxed=True) as office:
        handle = await SCENARIOS[name](office)
        try:
            await office.result(handle)
        except WorkflowFailureError:
            assert name in {"cancelled", "refused"}
        await office.mend()
    histories = await runs_of(office, handle.id)
    for number, history in enumerate(histories, start=1):
        await replayer().replay_workflow(history)
        if record_histories:
            suffix = f"-{number}" if len(histories) > 1 else ""
            text = without_this_machine(history.to_json())
            (GOLDEN / f"{name}{suffix}.json").write_text(text)


@pytest.mark.parametrize("path", ALL, ids=name_of)
async def test_recorded_histories_still_replay(path: Path) -> None:
    await replayer().replay_workflow(recorded(name_of(path)))


def test_every_branch_is_recorded() -> None:
    assert {re.sub(r"-\d+$", "", path.stem) for path in GOLDEN.glob("*.json")} == set(SCENARIOS)


BEGUN = {"send"}
BRANCHES: dict[str, tuple[str, set[str]]] = {
    "abandoned": ("abandoned, known by operator", {"search"}),
    "archive_failing": ("completed, known by poll", {"archive"}),
    "called_back": ("completed, known by webhook", {"archive"}),
    "cancelled": ("WORKFLOW_EXECUTION_CANCELED", {"void"}),
    "continued-1": ("WORKFLOW_EXECUTION_CONTINUED_AS_NEW", set()),
    "expired": ("expired, known by poll", {"void"}),
    "finalization_failed": ("completed, known by poll", {"archive"}),
    "happy": ("completed, known by webhook", {"archive"}),
    "held_back": ("completed, known by webhook", {"search", "archive"}),
    "needs_attention": ("completed, known by webhook", {"search", "archive"}),
    "polled": ("completed, known by poll", {"archive"}),
    "reconciled": ("completed, known by webhook", {"search", "identify", "archive"}),
    "reminded": ("completed, known by webhook", {"remind", "archive"}),
    "reviewed": ("completed, known by webhook", {"void", "archive"}),
    "voided": ("voided, known by operator", {"void"}),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_a_recorded_branch_is_what_it_is_called(name: str) -> None:
    """Its end, and its steps beside those that every agreement takes."""
    end, steps = BRANCHES[name]
    events = recorded(name).events
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    assert {event for event in scheduled if event} - {"look"} == BEGUN | steps
    result = events[-1].workflow_execution_completed_event_attributes.result.payloads
    if result:
        ended = AgreementResult.model_validate_json(result[0].data)
        assert f"{ended.outcome}, known by {ended.resolved_by}" == end
    else:
        assert EventType.Name(events[-1].event_type).removeprefix("EVENT_TYPE_") == end


def test_the_worked_example_of_the_page_is_the_one_that_is_replayed() -> None:
    page = (ROOT / "docs" / "how-to" / "change-a-running-workflow.md").read_text()
    example = page.partition("```python\n")[2].partition("```")[0]
    amended = inspect.getsource(AmendedWorkflow)
    assert textwrap.indent(example, " " * 8) in amended


async def test_a_reordered_workflow_does_not_pass() -> None:
    with pytest.raises(NondeterminismError):
        await replayer(ReorderedWorkflow).replay_workflow(recorded("happy"))


async def test_a_new_step_without_a_patch_does_not_pass() -> None:
    with pytest.raises(NondeterminismError):
        await replayer(CarelessWorkflow).replay_workflow(recorded("happy"))


@pytest.mark.parametrize("path", ALL, ids=name_of)
async def test_a_new_step_behind_a_patch_passes(path: Path) -> None:
    await replayer(AmendedWorkflow).replay_workflow(recorded(name_of(path)))
