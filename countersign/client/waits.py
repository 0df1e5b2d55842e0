"""What an agreement waits for at the provider, as Temporal knows it: asking costs the workflow nothing."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.exceptions import FailureError

from countersign.client.queues import why_not_taken

_PROMPT: Final = timedelta(seconds=5)
"""A step that waits for less has not been held back: a worker is just about to take it."""
_MINUTE: Final = 60
_HOUR: Final = 3600
_STORE_STEPS: Final = frozenset({"claim", "release"})


async def provider_wait(client: Client, handle: WorkflowHandle[Any, Any]) -> str | None:
    """Say why an agreement's step at the provider has not been done; see `held_up`."""
    return await held_up(client, await handle.describe())


async def held_up(client: Client, described: WorkflowExecutionDescription) -> str | None:
    """Say why an agreement's step at the provider has not been done, then "; " and since or until when.

    Args:
        client: Where it was described.
        described: The agreement, as Temporal has just described it.

    Returns:
        None if no step is held up.
    """
    now = datetime.now(UTC)
    for step in described.raw_description.pending_activities:
        waits = step.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
        if waits and step.activity_type.name not in _STORE_STEPS:
            if step.HasField("last_failure"):
                error = await described.data_converter.decode_failure(step.last_failure)
                return _failing(error, step, now)
            waiting = now - _time(step.scheduled_time)
            if waiting < _PROMPT:
                return None
            why = await why_not_taken(client, described.task_queue)
            return f"{step.activity_type.name} is held back: {why}; for {_words(waiting)}"
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
