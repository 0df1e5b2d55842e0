"""Why a step of an agreement is not done, as Temporal knows: asking costs the workflow nothing."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.exceptions import FailureError

from countersign.client.queues import why_not_claimed, why_not_taken

_PROMPT: Final = timedelta(seconds=5)
"""Seconds in which a worker usually takes a step."""
_MINUTE: Final = 60
_HOUR: Final = 3600
_STORE_STEPS: Final = frozenset({"claim", "release"})
"""Activities on the workflow's own queue: they need the store, not the provider."""
_LONG: Final = timedelta(minutes=3)
"""An activity that runs longer than this has probably lost its worker, or downloads a large file."""


async def provider_wait(client: Client, handle: WorkflowHandle[Any, Any]) -> str | None:
    """Return why an agreement's step is not done; see `step_wait`."""
    return await step_wait(client, await handle.describe())


async def step_wait(client: Client, described: WorkflowExecutionDescription) -> str | None:
    """Return why a step of an agreement is not done, then "; " and since or until when.

    Args:
        client: The connection that described it.
        described: The agreement, as Temporal has just described it.

    Returns:
        None if no step waits.
    """
    now = datetime.now(UTC)
    for step in described.raw_description.pending_activities:
        name = step.activity_type.name
        if step.state != PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED:
            running = now - _time(step.last_started_time)
            if running < _LONG:
                continue
            return f"{name} runs on {step.last_worker_identity}, or its worker is lost; for {_words(running)}"
        if step.HasField("last_failure"):
            error = await described.data_converter.decode_failure(step.last_failure)
            return _failing(error, step, now)
        waiting = now - _time(step.scheduled_time)
        if waiting < _PROMPT:
            return None
        queue = described.task_queue
        is_own = name in _STORE_STEPS
        why = await (why_not_claimed(client, queue) if is_own else why_not_taken(client, queue))
        return f"{name} is held back: {why}; for {_words(waiting)}"
    return None


def _failing(error: BaseException, step: PendingActivityInfo, now: datetime) -> str:
    why = error.message if isinstance(error, FailureError) else str(error)
    wait = timedelta()
    if step.HasField("next_attempt_schedule_time"):
        wait = max(_time(step.next_attempt_schedule_time) - now, wait)
    return (
        f"{why}; attempt {step.attempt} in {_words(wait)}" if wait else f"{why}; attempt {step.attempt} next"
    )


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _words(duration: timedelta) -> str:
    seconds = math.ceil(duration.total_seconds())
    if seconds < 2 * _MINUTE:
        return f"{seconds} s"
    return f"{seconds // _MINUTE} min" if seconds < 2 * _HOUR else f"{seconds // _HOUR} h"
