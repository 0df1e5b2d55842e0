"""What the door makes of a request. The caller learns the status alone; the verdict is for us."""

from enum import StrEnum
from typing import Final

RETRY_AFTER_SECONDS: Final = 5


class Verdict(StrEnum):
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
    Verdict.AMBIGUOUS: 400,
    Verdict.INVALID: 400,
    Verdict.GONE: 400,
    Verdict.NOT_HTTP: 400,
    Verdict.SLOW: 408,
    Verdict.UNSIGNED: 401,
    Verdict.STALE: 401,
    Verdict.MISMATCH: 401,
    Verdict.WRONG_CALLER: 403,
    Verdict.TOO_LARGE: 413,
    Verdict.ENCODED: 415,
    Verdict.UNREADABLE: 422,
    Verdict.BUSY: 503,
    Verdict.CROWDED: 503,
    Verdict.UNAVAILABLE: 503,
    Verdict.FAILED: 503,
}
