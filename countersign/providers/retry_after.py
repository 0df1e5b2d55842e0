"""The Retry-After header (RFC 9110, 10.2.3): seconds or an HTTP date. Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

ABSENT: Final = 60.0
"""Seconds to wait after a 429 without a header."""

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)


def seconds_to_wait(header: str | None, *, now: datetime, limit: float) -> float | None:
    """Read how long to wait.

    Args:
        header: The header's value; None if the response had none.
        now: The time to measure a date against, with an offset.
        limit: The longest wait to obey, in seconds.

    Returns:
        Seconds from 0 (a date in the past) to `limit`; `ABSENT` without a header; None if the header is
        nonsense, which leaves the choice to the retry policy.
    """
    if header is None:
        return min(ABSENT, limit)
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), limit)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an offset of twenty digits
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max((date - now).total_seconds(), 0.0), limit)
