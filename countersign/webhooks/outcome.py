"""What the receiver makes of a request. The caller learns the status alone; the verdict is for us."""

from enum import StrEnum
from typing import Final

RETRY_AFTER_SECONDS: Final = 5


class DeliveryOutcome(StrEnum):
    """A label of the metrics and a word in the log."""

    SIGNALLED = "signalled"
    """Temporal has acknowledged the event."""
    CLOSED = "closed"
    """The agreement has ended, and the event agrees with how."""
    CONTRADICTED = "contradicted"
    """The agreement has ended otherwise, or with another document: somebody should look."""
    FORGOTTEN = "forgotten"
    """Ours by its marker, and Temporal knows no such agreement (any more)."""
    NOT_OURS = "not_ours"
    """No marker, or one of another environment: a subscription covers a whole organisation."""
    IGNORED = "ignored"
    """Nothing that could concern an agreement."""

    AMBIGUOUS = "ambiguous"
    """Two ways to tell where the body ends."""
    INVALID = "invalid"
    """Verified, and not one JSON object."""
    UNSIGNED = "unsigned"
    STALE = "stale"
    MISMATCH = "mismatch"
    WRONG_CALLER = "wrong_caller"
    TOO_LARGE = "too_large"
    ENCODED = "encoded"
    """Compressed; what is never inflated is no bomb."""
    UNREADABLE = "unreadable"
    """Verified, an event that we know, and broken."""
    GONE = "gone"
    """The caller left before the body was whole."""
    SLOW = "slow"
    """The request was not whole in time; the caller gets no answer."""
    NOT_HTTP = "not_http"

    BUSY = "busy"
    """Temporal throttles us."""
    UNAVAILABLE = "unavailable"
    """Temporal did not acknowledge in time."""
    CROWDED = "crowded"
    """Too many connections at once."""
    FAILED = "failed"
    """A defect of ours; the provider tries again."""

    @property
    def status(self) -> int:
        """The HTTP status that the caller gets."""
        return _STATUS.get(self, 200)


_STATUS: Final = {
    DeliveryOutcome.AMBIGUOUS: 400,
    DeliveryOutcome.INVALID: 400,
    DeliveryOutcome.GONE: 400,
    DeliveryOutcome.NOT_HTTP: 400,
    DeliveryOutcome.SLOW: 408,
    DeliveryOutcome.UNSIGNED: 401,
    DeliveryOutcome.STALE: 401,
    DeliveryOutcome.MISMATCH: 401,
    DeliveryOutcome.WRONG_CALLER: 403,
    DeliveryOutcome.TOO_LARGE: 413,
    DeliveryOutcome.ENCODED: 415,
    DeliveryOutcome.UNREADABLE: 422,
    DeliveryOutcome.BUSY: 503,
    DeliveryOutcome.CROWDED: 503,
    DeliveryOutcome.UNAVAILABLE: 503,
    DeliveryOutcome.FAILED: 503,
}
