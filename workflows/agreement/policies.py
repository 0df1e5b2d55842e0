"""Time-outs and retry policies, one row per step. `steps.py` uses them and sets no other time.

| step     | one attempt | in all  | attempts | why |
|----------|-------------|---------|----------|-----|
| claim    | 30 s        | 1 day   | any      | a file in the store, or its release; harmless to repeat |
| claim, local | 3 s  | 3 s     | one      | the same, within the workflow task; then the step above |
| revoke   | 30 s        | 10 min  | any      | a file in the store; without it the outcome is unknown |
| record the end | 30 s  | 10 min  | any      | a file in the store; local first, as a claim |
| generate | 270 s       | 30 days | any      | two reads and a write; a retry searches first |
| send     | 150 s       | 30 days | one      | a write has 120 s at the client; a retry could send twice |
| with generate | 420 s | 30 days | any     | until the send's fence is written, then none |
| identify | 135 s       | 30 days | any      | at most two reads; the client limits a read to 60 s |
| search   | 11 min      | 30 days | any      | up to ten reads, each with a heartbeat |
| search after a refusal | 10 min | 10 min | any | a refused key blocks the queue; then the status counts |
| check    | 75 s        | 30 days | any      | a read |
| void     | 210 s       | 30 days | any      | at most a read and a write; voiding twice is voiding once |
| remind   | 210 s       | 7 days  | one      | as a void; one that may have been sent is not repeated |
| archive  | 30 min      | 30 days | 5, any   | downloads; shown as failing after 5 attempts, and retried |
| read changes | 10 min  | 30 days | 20       | the watcher's; an hour of failures, with the circuit closed |
| unwatch  | 30 min      | 30 days | any      | one signal per open agreement; a repetition changes nothing |
| find problems | 5 min  | 30 days | any      | reads of Temporal |
| deliver a notice | 2 min | 1 day | any, hourly | then it is made anew, of what is wrong by then |

"In all" is at least 7 days for provider steps, but for the search after a refusal: the clock of blocked work
keeps running.
First delay 1 s, doubled, at most 5 min: an outage of an hour costs some 20 attempts. An archive that keeps
failing is retried hourly.
"""

from datetime import timedelta
from typing import Final

from countersign.agreements.failures import UNAUTHORIZED
from countersign.workflow.policy import Policy, retry

__all__ = ["Policy"]

_READ = timedelta(seconds=75)
_READ_TWICE = timedelta(seconds=135)
_WRITE = timedelta(seconds=150)
_READ_AND_WRITE = timedelta(seconds=210)
_READ_TWICE_AND_WRITE = timedelta(seconds=270)
_DOWNLOAD = timedelta(minutes=30)
_MONTH = timedelta(days=30)
_SILENCE = timedelta(minutes=2)

CLAIM_AT_ONCE: Final = timedelta(seconds=3)
"""Far below the workflow task's 10 s, in which it runs."""
CLAIM: Final = Policy(timedelta(seconds=30), timedelta(days=1), retry())
REVOKE: Final = Policy(timedelta(seconds=30), timedelta(minutes=10), retry())
RECORD_END: Final = REVOKE
GENERATE: Final = Policy(_READ_TWICE_AND_WRITE, _MONTH, retry(ends_with=(UNAUTHORIZED,)))
SEND: Final = Policy(_WRITE, _MONTH, retry(1))
GENERATE_AND_SEND: Final = Policy(_READ_TWICE_AND_WRITE + _WRITE, _MONTH, retry())
IDENTIFY: Final = Policy(_READ_TWICE, _MONTH, retry(), priority=1)
SEARCH: Final = Policy(timedelta(minutes=11), _MONTH, retry(), _READ)
SEARCH_REFUSED: Final = Policy(timedelta(minutes=10), timedelta(minutes=10), retry(), _READ)
CHECK: Final = Policy(_READ, _MONTH, retry(), priority=4)
VOID: Final = Policy(_READ_AND_WRITE, _MONTH, retry(), priority=1)
REMIND: Final = Policy(_READ_AND_WRITE, timedelta(days=7), retry(1), priority=2)
ARCHIVE_FIRST: Final = Policy(_DOWNLOAD, _MONTH, retry(5), _SILENCE)
ARCHIVE: Final = Policy(_DOWNLOAD, _MONTH, retry(cap=timedelta(hours=1)), _SILENCE)
READ_CHANGES: Final = Policy(timedelta(minutes=10), _MONTH, retry(20), _READ, priority=2)
UNWATCH: Final = Policy(timedelta(minutes=30), _MONTH, retry(), _SILENCE)
FIND_PROBLEMS: Final = Policy(timedelta(minutes=5), _MONTH, retry(), priority=2)
DELIVER_NOTICE: Final = Policy(timedelta(minutes=2), timedelta(days=1), retry(cap=timedelta(hours=1)))

ASKED_FOR: Final = 2
"""The priority up to which a step is one that a person asked for."""

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far the provider's clock may be behind ours."""

VOID_AGAIN: Final = timedelta(hours=1)
"""Wait before the next attempt to void, if the provider rejected the last one."""


# Waits between checks

_FIRST_CHECKS: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_HOURLY_CHECKS: Final = 24
HOURLY: Final = len(_FIRST_CHECKS)
"""The number of checks after which they are made hourly."""
FINALIZATION_FAILED: Final = timedelta(days=1)
"""The provider may still finalize such a document; asking daily is enough."""
_WATCHED: Final = (timedelta(days=7), timedelta(days=30))
"""Waits of an agreement whose watcher reads what changes at the provider."""


def until_next_check(checks: int, longest: timedelta, *, watched: bool = False) -> timedelta:
    """Return the wait for the next check: 1, 5, 15 minutes, hourly for a day, then daily.

    Args:
        checks: How many checks were planned before.
        longest: The limit of every wait, from 15 minutes to 30 days.
        watched: Whether the account's watcher reads what changes: then 7 days, and 30 days after that.
    """
    if watched:
        return min(_WATCHED[min(checks, len(_WATCHED) - 1)], longest)
    if checks < HOURLY:
        return _FIRST_CHECKS[checks]
    hourly = checks < HOURLY + _HOURLY_CHECKS
    return min(timedelta(hours=1) if hourly else timedelta(days=1), longest)


# The watcher

BLIND: Final = timedelta(minutes=10)
"""How long changes may be unreadable before running agreements check by themselves."""
REMEMBERED: Final = timedelta(minutes=1)
"""Longer than workers remember that an account was watched."""

# Notices

NEXT_LOOK: Final = timedelta(minutes=1)
"""From one look for problems to the next."""
