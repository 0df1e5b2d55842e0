"""What a delivery ended in. The caller learns the HTTP status alone; metrics and logs have the outcome."""

from enum import StrEnum
from typing import Final

from countersign.http_server.limits import Rejection


class DeliveryOutcome(StrEnum):
    """What a delivery ended in: a label of the metrics and a word in the log."""

    SIGNALLED = "signalled"
    """Temporal has acknowledged the event."""
    CLOSED = "closed"
    """The workflow has ended; if it is an agreement, the event agrees with its result."""
    CONTRADICTED = "contradicted"
    """The agreement has ended with another result or another document. A person should check it."""
    FORGOTTEN = "forgotten"
    """The marker is ours, but Temporal does not have the agreement, or no longer has it."""
    NOT_OURS = "not_ours"
    """The title has no marker, or one of another environment: a subscription covers a whole organization."""
    TEST = "test"
    """A test event that this environment and namespace has asked for."""
    OTHER_ENVIRONMENT = "other_environment"
    """A test event that another environment or namespace has asked for. The provider shows the status."""
    IGNORED = "ignored"
    """The event cannot concern a workflow, or `WEBHOOK_EVENTS` leaves it out."""
    NO_WORKFLOW = "no_workflow"
    """Temporal has no workflow with the id that a configured route names, or no longer has it."""

    INVALID = "invalid"
    """The signature is valid, but the body is not one JSON object."""
    UNREADABLE = "unreadable"
    """The signature is valid, but an event of a known kind lacks a required field."""
    UNSIGNED = "unsigned"
    STALE = "stale"
    MISMATCH = "mismatch"
    WRONG_CALLER = "wrong_caller"

    AMBIGUOUS = "ambiguous"
    TOO_LARGE = "too_large"
    ENCODED = "encoded"
    GONE = "gone"
    SLOW = "slow"
    NOT_HTTP = "not_http"
    CROWDED = "crowded"

    BUSY = "busy"
    """Temporal throttles the receiver."""
    UNAVAILABLE = "unavailable"
    """Temporal did not acknowledge the event in time."""
    FAILED = "failed"
    """The receiver has a defect. The provider tries again."""

    @property
    def status(self) -> int:
        """The HTTP status that the caller gets."""
        return _STATUS.get(self, 200)


_STATUS: Final = {
    **{DeliveryOutcome(rejection): rejection.status for rejection in Rejection},
    DeliveryOutcome.OTHER_ENVIRONMENT: 421,
    DeliveryOutcome.NO_WORKFLOW: 404,
    DeliveryOutcome.INVALID: 400,
    DeliveryOutcome.UNSIGNED: 401,
    DeliveryOutcome.STALE: 401,
    DeliveryOutcome.MISMATCH: 401,
    DeliveryOutcome.WRONG_CALLER: 403,
    DeliveryOutcome.UNREADABLE: 422,
    DeliveryOutcome.BUSY: 503,
    DeliveryOutcome.UNAVAILABLE: 503,
    DeliveryOutcome.FAILED: 503,
}


class RejectedDeliveryError(Exception):
    """The delivery is rejected.

    Args:
        outcome: The reason.
        caller: The caller's address, if that is the reason.
    """

    def __init__(self, outcome: DeliveryOutcome, *, caller: str | None = None) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.caller = caller
