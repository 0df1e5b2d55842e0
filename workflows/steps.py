"""How a step runs: its policy, its queue, its name in the Temporal UI; and what its failure means."""

from collections.abc import Callable
from enum import Enum, auto
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.workflow import ActivityCancellationType, ActivityConfig, ActivityHandle

from workflows.failures import DID_NOT_SEND, REFUSED
from workflows.messages import provider_task_queue
from workflows.policies import Policy

ResultT = TypeVar("ResultT")


class Verdict(Enum):
    """What the failure of a step says about its effect."""

    CANCELLED = auto()
    """It never ran."""
    NOT_SENT = auto()
    """It provably had no effect; it may be tried again."""
    REFUSED = auto()
    """It had no effect, and trying again would be refused again."""
    UNKNOWN = auto()
    """It may have had its effect."""


def at_provider(policy: Policy, summary: str, *, pace: float) -> ActivityConfig:
    """Run a step on the provider's queue, at the agreement's pace."""
    return {
        **_config(policy.at(pace), summary),
        "task_queue": provider_task_queue(workflow.info().task_queue),
    }


def at_store(policy: Policy, summary: str) -> ActivityConfig:
    """Run a step that only touches the store on the workflow's own queue."""
    return _config(policy, summary)


def _config(policy: Policy, summary: str) -> ActivityConfig:
    return {
        "start_to_close_timeout": policy.attempt,
        "schedule_to_close_timeout": policy.total,
        "heartbeat_timeout": policy.heartbeat,
        "retry_policy": policy.retry,
        "summary": summary,
        # A cancelled step that runs is waited for: what it did at the provider must be known.
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    }


async def unless(stop: Callable[[], bool], step: ActivityHandle[ResultT]) -> ResultT:
    """Wait for a step; when `stop` comes true it is cancelled, which it obeys only if it never began.

    Raises:
        ActivityError: It failed; `verdict` tells what that means.
    """
    await workflow.wait_condition(lambda: step.done() or stop())
    if not step.done():
        step.cancel()
    return await step


def verdict(error: ActivityError) -> Verdict:
    """Tell what a failed step may have done."""
    cause = error.cause
    if isinstance(cause, CancelledError):
        return Verdict.CANCELLED
    if isinstance(cause, ApplicationError) and cause.type in DID_NOT_SEND:
        return Verdict.NOT_SENT
    if isinstance(cause, ApplicationError) and cause.type in REFUSED:
        return Verdict.REFUSED
    return Verdict.UNKNOWN


def why(error: ActivityError) -> str:
    """Say in a sentence why a step failed."""
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) else "it could not be done in its time"


def as_failure(error: ActivityError) -> ApplicationError:
    """Turn a step's refusal into the workflow's own failure, with the sentence where one sees it first."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return ApplicationError(cause.message, type=cause.type, non_retryable=True)
    return ApplicationError("a step could not be done in its time", type="StepTimedOut", non_retryable=True)
