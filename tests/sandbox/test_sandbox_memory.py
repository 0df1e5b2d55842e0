"""Test a thousand agreements: no lost or duplicate delivery, and little memory."""

import pytest

from benchmarks.sandbox import MEGABYTES, run


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_thousand_agreements_lose_no_delivery_and_stay_small() -> None:
    result = run(1000)
    assert (result.lost, result.doubled) == (0, 0)
    assert result.requests == 9 * 1000 + 1
    assert result.megabytes < MEGABYTES
