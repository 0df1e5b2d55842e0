"""A lost agreement is counted, and the run goes on."""

from typing import Any, cast

import pytest
from temporalio.client import Client

from benchmarks import agreements
from benchmarks.agreements import TUNED, Bench


async def test_an_agreement_that_no_worker_takes_is_counted_as_lost(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreements, "_PATIENCE", 0.1)
    bench = Bench(cast("Any", None), client, client, signers=1)
    assert [await bench.complete(TUNED) for _ in range(2)] == [None, None]
    assert bench.lost[TUNED] == {"TimeoutError": 2}
