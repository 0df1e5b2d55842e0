"""P3, P4, P5: what a 429 asks for, from the header to Temporal's next attempt."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationErrorCategory

from countersign.providers.calls import Limits
from countersign.providers.errors import ThrottledError
from countersign.providers.retry_after import seconds_to_wait
from countersign.providers.retry_table import SPREAD, to_application_error
from tests.providers.provider_calls import Operation, error_of, read, write
from tests.providers.provider_edge import client, edge, response

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
LIMIT = 300.0
CASES = {
    "seconds": ("2", 2),
    "padded": (" 7 ", 7),
    "fraction": ("1.5", 1.5),
    "zero": ("0", 0),
    "absent": (None, 60),
    "for 31 years": ("1000000000", LIMIT),
    "date": ("Tue, 24 Nov 2026 12:00:30 GMT", 30),
    "old date format": ("Tuesday, 24-Nov-26 12:00:30 GMT", 30),
    "date without a zone": ("Tue, 24 Nov 2026 12:00:30", 30),
    "date of another zone": ("Tue, 24 Nov 2026 13:00:30 +0100", 30),
    "date in the past": ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
    "date far ahead": ("Tue, 24 Nov 2099 12:00:00 GMT", LIMIT),
    "negative": ("-5", None),
    "words": ("soon", None),
    "empty": ("", None),
    "scientific": ("1e9", None),
    "infinite": ("inf", None),
    "not a number": ("nan", None),
    "other digits": ("٣", None),
    "year of twenty digits": ("Tue, 24 Nov 20260000000000000000 12:00:00 GMT", None),
    "offset of twenty digits": ("Tue, 24 Nov 2026 12:00:00 +20260000000000000000", None),
    "date that is none": ("Tue, 99 Nov 2026 12:00:00 GMT", None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_header_is_read(case: str) -> None:
    header, seconds = CASES[case]
    assert seconds_to_wait(header, now=NOW, limit=LIMIT) == seconds


def test_the_wait_that_no_one_asked_for_is_within_the_limit_too() -> None:
    assert seconds_to_wait(None, now=NOW, limit=7) == 7


DATE_PARTS = ["Tue,", "24", "Nov", "2026", "9" * 20, "12:00:00", ":", "+", "-", "+0100", "GMT", "1", ""]


@given(st.text() | st.none() | st.lists(st.sampled_from(DATE_PARTS), max_size=8).map(" ".join))
def test_whatever_it_says_the_wait_is_short_or_ours(header: str | None) -> None:
    seconds = seconds_to_wait(header, now=NOW, limit=LIMIT)
    assert seconds is None or 0 <= seconds <= LIMIT


@pytest.mark.parametrize("operation", [read, write])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "2"}, 2), ({}, 60), ({"Retry-After": "9999"}, 100), ({"Retry-After": "soon"}, None)],
)
async def test_a_429_becomes_the_next_attempts_delay(
    operation: Operation, headers: dict[str, str], seconds: float | None
) -> None:
    limits = Limits(retry_after=100)
    async with (
        edge(response(429, {"message": "slow down"}, headers=headers)) as server,
        client(server.base_url, limits=limits) as provider,
    ):
        error = await error_of(operation, provider)
        assert len(server.received) == 1
    assert isinstance(error, ThrottledError)
    failure = to_application_error(error)
    assert failure.type == "Throttled"
    assert not failure.non_retryable
    assert failure.category is ApplicationErrorCategory.BENIGN
    if seconds is None:
        assert failure.next_retry_delay is None
    else:
        assert failure.next_retry_delay is not None
        least = timedelta(seconds=seconds)
        assert least <= failure.next_retry_delay <= least * (1 + SPREAD)


async def test_a_read_that_is_reported_to_wait_by_a_503_waits() -> None:
    async with (
        edge(response(503, headers={"Retry-After": "20"})) as server,
        client(server.base_url) as provider,
    ):
        failure = to_application_error(await error_of(read, provider))
    assert failure.type == "Unavailable"
    assert failure.next_retry_delay is not None
    assert failure.next_retry_delay >= timedelta(seconds=20)


async def test_a_read_that_no_one_reported_to_wait_is_tried_again_at_the_steps_own_pace() -> None:
    async with edge(response(503)) as server, client(server.base_url) as provider:
        failure = to_application_error(await error_of(read, provider))
    assert failure.next_retry_delay is None
