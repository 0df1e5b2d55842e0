"""Describe an agreement that is stuck: its workflow task keeps failing, so no worker can answer for it.

Temporal records the first failure of a row in the history, and counts the next ones as attempts only.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecutionDescription, WorkflowHandle

from countersign.agreements import search_attributes
from countersign.agreements.times import format_time

STUCK_ATTEMPT: Final = 3
"""The attempt of a workflow task from which on it is stuck: one retry heals a single failure."""

_SEND: Final = "send"
_UNHANDLED: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_CAUSES: Final = {
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR: (
        "the worker's code does not fit the history"
    ),
}
_MESSAGES: Final = {
    "[TMPRL1101]": "the workflow code runs too long without waiting",
    "Failed decoding": "the worker cannot decode the input",
}
"""What the Python SDK's message of an unhandled failure begins with. Any other may name a person."""
_ENDS: Final = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
}


def is_stuck(described: WorkflowExecutionDescription, *, attempt: int = STUCK_ATTEMPT) -> bool:
    """Tell whether an agreement's workflow task keeps failing.

    Args:
        described: The agreement, as Temporal has just described it.
        attempt: The attempt of the workflow task from which on it is stuck. Each new event, such as a
            webhook's signal, begins another row of attempts; the search attribute outlasts them.
    """
    task = described.raw_description.pending_workflow_task
    return task.attempt >= attempt or bool(
        described.typed_search_attributes.get(search_attributes.REPORTED_PROBLEMS)
    )


async def explain_stuck(
    handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription, reference: str
) -> str:
    """Say since when an agreement is stuck, why, and which command brings it back; never a person's data.

    Args:
        handle: The agreement's workflow.
        described: The agreement, as Temporal has just described it.
        reference: Its reference.
    """
    history = (await handle.fetch_history()).events
    task = described.raw_description.pending_workflow_task
    failures = _failures(history)
    count = len(failures) + max(task.attempt - 2, 0)
    since = (failures[0].event_time if failures else task.scheduled_time).ToDatetime(UTC)
    return (
        f"{reference} is stuck: its workflow task failed at least {_times(count)} {_since(since)} "
        f"({_cause(failures)}). {_remedy(handle.id, history)}; see docs/how-to/be-on-call.md#agreementsstuck"
    )


def reset_point(history: Sequence[HistoryEvent]) -> int | None:
    """Find the event that an agreement can be reset to so that no document is sent twice.

    Args:
        history: The events of its current run.

    Returns:
        The id of the last WorkflowTaskCompleted. A reset keeps what stands before that event and takes back
        the commands after it. None if there is none, or if the outcome of a send is recorded after it, or
        not at all: the server would schedule that send again.
    """
    completed = [e.event_id for e in history if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    if not completed:
        return None
    ends = {
        getattr(event, _ENDS[event.event_type]).scheduled_event_id: event.event_id
        for event in history
        if event.event_type in _ENDS
    }
    point = completed[-1]
    is_safe = all(ends.get(send, point) < point for send in _sends(history))
    return point if is_safe else None


def _sends(history: Sequence[HistoryEvent]) -> list[int]:
    return [
        event.event_id
        for event in history
        if event.activity_task_scheduled_event_attributes.activity_type.name == _SEND
    ]


def _failures(history: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """List the recorded failures since a workflow task last completed."""
    failures: list[HistoryEvent] = []
    for event in history:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            failures.clear()
        elif _is_failure(event):
            failures.append(event)
    return failures


def _is_failure(event: HistoryEvent) -> bool:
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return event.workflow_task_failed_event_attributes.cause != _RESET
    timeout = event.workflow_task_timed_out_event_attributes.timeout_type
    return timeout == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE  # a lost sticky worker is no failure


def _cause(failures: Sequence[HistoryEvent]) -> str:
    """Name Temporal's category of the last failure, and explain it."""
    if not failures or failures[-1].event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return "WorkflowTaskTimedOut: the worker does not finish it in time"
    failed = failures[-1].workflow_task_failed_event_attributes
    name = WorkflowTaskFailedCause.Name(failed.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
    known = [why for start, why in _MESSAGES.items() if failed.failure.message.startswith(start)]
    why = known[0] if known and failed.cause == _UNHANDLED else _CAUSES.get(failed.cause)
    return f"{name.title().replace('_', '')}: {why or 'the log of the worker has the error'}"


def _remedy(workflow_id: str, history: Sequence[HistoryEvent]) -> str:
    deploy = "Deploy code that fits, and it goes on within ten minutes"
    if point := reset_point(history):
        command = f"temporal workflow reset --workflow-id {workflow_id} --event-id {point} --reason stuck"
        return f"{deploy}; if it does not, run `{command}`"
    return f"{deploy}; do not reset it, for its document could be sent twice" if _sends(history) else deploy


def _times(count: int) -> str:
    return "once" if count <= 1 else f"{count} times"


def _since(moment: datetime) -> str:
    return f"since {format_time(moment)}"
