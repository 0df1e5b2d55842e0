"""When a callback is repeated, and what each response means. Pure.

| what an attempt ended in                          | what follows                                         |
|---------------------------------------------------|------------------------------------------------------|
| 2xx                                               | delivered                                            |
| 410                                               | stopped: the receiver wants no more of it            |
| 408, 425, 429                                     | repeated, not before the response's Retry-After      |
| any other 4xx                                     | repeated: the receiver may be mended meanwhile       |
| any of these 4xx and 410, once it may have arrived | delivered: the receiver has had it, and refuses more |
| 3xx                                               | repeated; redirects are not followed                 |
| 5xx                                               | repeated, not before Retry-After; it may have arrived |
| no response after it was sent                     | repeated; it may have arrived                        |
| no connection, an address that must not be called | repeated                                             |
| the settings do not allow it                      | stopped, until `countersign callbacks replay`        |
"""

from datetime import timedelta
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from activities.requests import Attempted

WAITS: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=7),
    timedelta(hours=9),
)
"""Waits between ten attempts, some 24 hours in all."""

SPREAD: Final = 0.1
"""The largest share of a wait that is added to it, so that what failed together is not repeated together."""

ATTEMPT: Final = timedelta(seconds=30)
"""Start-to-close: a call takes at most 10 s, and reading a secret from the store a few more."""

SCHEDULE: Final = timedelta(days=3)
"""Schedule-to-close of an attempt: how long it may wait for a worker."""

_TRANSIENT: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


class Verdict(Enum):
    """What follows an attempt."""

    DELIVERED = auto()
    REPEAT = auto()
    STOP = auto()


def judge(attempted: Attempted, *, may_have_arrived: bool) -> Verdict:
    """Decide what follows an attempt, by the table above.

    Args:
        attempted: What it ended in.
        may_have_arrived: Whether an earlier attempt may have reached the receiver.
    """
    if attempted.refused is not None:
        return Verdict.STOP
    status = attempted.status
    if status is None:
        return Verdict.REPEAT
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Verdict.DELIVERED
    is_final = (
        HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TRANSIENT
    )
    if is_final and may_have_arrived:
        return Verdict.DELIVERED
    return Verdict.STOP if status == HTTPStatus.GONE else Verdict.REPEAT


def may_arrive(attempted: Attempted) -> bool:
    """Return whether a receiver may have taken the event although the attempt failed."""
    return attempted.may_have_arrived or (attempted.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR


def describe(attempted: Attempted) -> str:
    """Return what an attempt ended in, in a few words without host and URL."""
    return attempted.refused or attempted.problem or f"answered with HTTP {attempted.status}"
