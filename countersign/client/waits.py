"""The reason why a step of an agreement waits, from Temporal's description of the workflow."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.exceptions import ApplicationError, FailureError

from countersign.agreements.failures import provider_message
from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.agreements.search_attributes import ACCOUNT
from countersign.client.queues import why_halted, why_not_claimed, why_not_taken

_PROMPT: Final = timedelta(seconds=5)
"""A worker usually takes a step within this time."""
_MINUTE: Final = 60
_HOUR: Final = 3600
_STORE_STEPS: Final = frozenset({"claim", "record_end", "release", "revoke_send"})
"""Activities on the workflow's queue, which need the store instead of the provider."""
_LONG: Final = timedelta(minutes=3)
"""An activity that runs longer has probably lost its worker, or downloads a large file."""


@dataclass(frozen=True, slots=True)
class StepWait:
    """Why a step of an agreement waits.

    Args:
        why: The reason, followed by "; " and the time it has waited or will wait.
        provider_message: The provider's own words about its last failure, if it gave any.
    """

    why: str
    provider_message: str | None = None


async def provider_wait(client: Client, handle: WorkflowHandle[Any, Any]) -> str | None:
    """Describe an agreement, and return why its step waits: see `step_wait`."""
    wait = await step_wait(client, await handle.describe())
    return wait.why if wait else None


async def step_wait(client: Client, described: WorkflowExecutionDescription) -> StepWait | None:
    """Return why a step of an agreement waits.

    Args:
        client: The connection to use.
        described: The current description of the agreement's workflow.

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
            return StepWait(
                f"{name} runs on {step.last_worker_identity}, or that worker is lost; for {_words(running)}"
            )
        return await _unstarted(client, described, step, now)
    return None


async def _unstarted(
    client: Client, described: WorkflowExecutionDescription, step: PendingActivityInfo, now: datetime
) -> StepWait | None:
    name, queue = step.activity_type.name, described.task_queue
    account = described.typed_search_attributes.get(ACCOUNT) or DEFAULT_ACCOUNT
    handle = client.get_workflow_handle(described.id, run_id=described.run_id)
    waiting = now - _time(step.scheduled_time)  # of this attempt: no time of a start is kept between two
    if step.HasField("last_failure"):
        error = await described.data_converter.decode_failure(step.last_failure)
        words = provider_message(error.details) if isinstance(error, ApplicationError) else None
        halted = name not in _STORE_STEPS and await why_halted(handle, account)
        why = f"{name} is blocked: {halted}; for {_words(waiting)}" if halted else _failing(error, step, now)
        return StepWait(why, words)
    if waiting < _PROMPT:
        return None
    why = await (
        why_not_claimed(client, queue)
        if name in _STORE_STEPS
        else why_not_taken(handle, client, queue, account)
    )
    return StepWait(f"{name} is blocked: {why}; for {_words(waiting)}")


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
