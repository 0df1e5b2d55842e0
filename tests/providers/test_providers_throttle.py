"""A provider that allows so many requests in so many seconds never sees more, and all agreements finish."""

import pytest

from benchmarks.throttle import Allowance, run

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]


async def test_the_provider_never_sees_more_than_its_limit_and_the_stated_burst() -> None:
    """P6, and the setting `COUNTERSIGN_PROVIDER_CALLS_PER_SECOND`, whatever the machine's speed."""
    allowed = Allowance(requests=50, seconds=3)
    flow = await run(60, allowed)
    assert max(flow.windows) <= allowed.requests + allowed.burst
    assert len(flow.windows) > 60 * 4 / (allowed.requests + allowed.burst), "it took more than one window"
