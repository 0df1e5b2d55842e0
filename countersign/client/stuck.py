"""The cause and remedy of a stuck agreement: its workflow task keeps failing, so no worker responds.

The history holds the first of consecutive failures. Temporal only counts the others, as attempts.
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
"""The attempt of a workflow task that makes it stuck. A single failure is fixed by one retry."""

_SEND: Final = "send"
_UNHANDLED: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_CAUSES: Final = {
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR: (
        "the worker's code does not match the history"
    ),
}
_MESSAGES: Final = {
    "[TMPRL1101]": "the workflow code runs too long without waiting",
    "Failed decoding": "the worker cannot decode the input",
    "the input cannot be decoded": "the worker lacks the keys of COUNTERSIGN_ENCRYPTION_KEYS",
    "what Temporal holds is encrypted": "the worker lacks the keys of COUNTERSIGN_ENCRYPTION_KEYS",
}
"""Beginnings of messages for unhandled failures, the SDK's and ours. Others may hold personal data."""
_ENDS: Final = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
}


def is_stuck(described: WorkflowExecutionDescription, *, attempt: int = STUCK_ATTEMPT) -> bool:
    """Return whether an agreement's workflow task keeps failing.

    Args:
        described: The current description of the agreement's workflow.
        attempt: The attempt of the workflow task that makes it stuck. A new event, such as a webhook's
            signal, resets the attempts; the search attribute stays.
    """
    task = described.raw_description.pending_workflow_task
    return task.attempt >= attempt or bool(
        described.typed_search_attributes.get(search_attributes.REPORTED_PROBLEMS)
    )


async def explain_stuck(
    handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription, reference: str
) -> str:
    """Return since when an agreement is stuck, why, and the command that repairs it, without personal data.

    Args:
        handle: The agreement's workflow.
        described: The current description of the agreement's workflow.
        reference: The agreement's reference.
    """
    history = (await handle.fetch_history()).events
    task = described.raw_description.pending_workflow_task
    failures = _failures(history)
    count = len(failures) + max(task.attempt - 2, 0)
    since = (failures[0].event_time if failures else task.scheduled_time).ToDatetime(UTC)
    return (
        f"{reference} is stuck: its workflow task failed at least {_times(count)} {_since(since)} "
        f"({cause(failures)}). {_remedy(handle.id, history)}; see docs/how-to/be-on-call.md#agreementsstuck"
    )


def reset_point(history: Sequence[HistoryEvent]) -> int | None:
    """Return the event to reset an agreement to, so that no document is sent twice.

    Args:
        history: The events of the current run.

    Returns:
        The id of the last WorkflowTaskCompleted. A reset keeps the events before it and drops the commands
        after it. None if no such event exists, or if the outcome of a send is recorded after it or not at
        all, because the server would schedule that send again.
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
    return timeout == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE  # a lost sticky worker is not a failure


def cause(failures: Sequence[HistoryEvent]) -> str:
    """Return Temporal's cause of the last failure, with an explanation."""
    if not failures or failures[-1].event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return "WorkflowTaskTimedOut: the worker does not complete it in time"
    failed = failures[-1].workflow_task_failed_event_attributes
    name = WorkflowTaskFailedCause.Name(failed.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
    known = [why for start, why in _MESSAGES.items() if failed.failure.message.startswith(start)]
    why = known[0] if known and failed.cause == _UNHANDLED else _CAUSES.get(failed.cause)
    return f"{name.title().replace('_', '')}: {why or 'see the error in the log of the worker'}"


def _remedy(workflow_id: str, history: Sequence[HistoryEvent]) -> str:
    deploy = "Deploy compatible code, and the agreement resumes within ten minutes"
    if point := reset_point(history):
        command = f"temporal workflow reset --workflow-id {workflow_id} --event-id {point} --reason stuck"
        return f"{deploy}; if it does not, run `{command}`"
    return (
        f"{deploy}; do not reset it, because its document could be sent twice" if _sends(history) else deploy
    )


def _times(count: int) -> str:
    return "once" if count <= 1 else f"{count} times"


def _since(moment: datetime) -> str:
    return f"since {format_time(moment)}"
