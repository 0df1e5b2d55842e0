"""Starts while Temporal is killed and restarted: each is made exactly once, or is a clean error."""

import pytest

from benchmarks.api import bench, burst


@pytest.mark.heavy
@pytest.mark.timeout(600)
async def test_no_start_is_lost_or_doubled_by_an_outage_of_temporal() -> None:
    async with bench() as here:
        done = await burst(here, 300)
    assert set(done.statuses.values()) == {202, 503}, "the outage was met, and every error is clean"
    first, at_the_end = done.runs
    assert set(first.values()) == {1}, "what was accepted is there"
    assert set(done.again) == {202}
    assert (len(at_the_end), set(at_the_end.values())) == (300, {1})
