"""The effect that a failed activity may have had."""

from datetime import datetime
from enum import Enum, auto

from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from countersign.agreements.failures import (
    NOT_BEGUN,
    NOT_SENT,
    OUTCOME_UNKNOWN,
    POSTPONED,
    PROVIDER_MESSAGE,
    REFUSED,
    SOURCE_UNUSABLE,
    provider_message,
)


class Effect(Enum):
    """What an activity that failed may have done."""

    CANCELLED = auto()
    """It was cancelled while it was scheduled: it never ran, unless Temporal had tried it before."""
    NOT_SENT = auto()
    """Nothing left; it may be tried again."""
    UNUSABLE = auto()
    """Nothing left, and nothing ever will."""
    POSTPONED = auto()
    """The provider's status asks to try again. It is no proof: look for evidence before."""
    REJECTED = auto()
    """The provider's status is a final no. It is no proof: look for evidence before the failure."""
    UNKNOWN = auto()
    """It may have had its effect."""


def effect(error: ActivityError) -> Effect:
    """Return what a failed activity may have done."""
    cause = error.cause
    if isinstance(cause, CancelledError):
        return Effect.CANCELLED
    kind = cause.type if isinstance(cause, ApplicationError) else None
    if isinstance(cause, ApplicationError) and NOT_BEGUN in cause.details:
        return Effect.UNUSABLE
    if kind in POSTPONED:
        return Effect.POSTPONED
    if kind in REFUSED:
        return Effect.REJECTED
    return {NOT_SENT: Effect.NOT_SENT, SOURCE_UNUSABLE: Effect.UNUSABLE}.get(kind or "", Effect.UNKNOWN)


def is_reported(error: ActivityError) -> bool:
    """Whether the activity itself reports that its outcome is unknown; a time-out does not."""
    return isinstance(error.cause, ApplicationError) and error.cause.type == OUTCOME_UNKNOWN


def began_before(error: ActivityError) -> datetime | None:
    """When the same send began before, if that is why its outcome is unknown (`Fence.begin`)."""
    details = error.cause.details if isinstance(error.cause, ApplicationError) and is_reported(error) else ()
    return datetime.fromisoformat(details[0]) if details else None


def reason(error: ActivityError) -> str:
    """Return the reason of an activity's failure, in one sentence without the provider's own words."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return cause.message
    return "it was cancelled" if isinstance(cause, CancelledError) else "it timed out"


def provider_words(error: ActivityError) -> str | None:
    """Return the provider's own words about an activity's failure; None if it gave none."""
    return provider_message(error.cause.details) if isinstance(error.cause, ApplicationError) else None


def cause_of(error: ActivityError | ApplicationError) -> BaseException | None:
    """Return why an activity failed. The SDK wraps the failures of local ones in no `ActivityError`."""
    return error if isinstance(error, ApplicationError) else error.cause


def as_failure(error: ActivityError | ApplicationError) -> ApplicationError:
    """Turn an activity's failure into the workflow's own: same type, sentence and provider's words."""
    cause = cause_of(error)
    if isinstance(cause, ApplicationError):
        words = provider_message(cause.details)
        details = ({PROVIDER_MESSAGE: words},) if words else ()
        return ApplicationError(cause.message, *details, type=cause.type, non_retryable=True)
    return ApplicationError("a step timed out", type="StepTimedOut", non_retryable=True)
