"""Test that a short run violates no rule, and that a worker that retries sends violates the first."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.chaos_accounts import CHAOS_ACCOUNTS, TURBODOCX
from tests.chaos.chaos_run import run
from tests.chaos.chaos_schedule import coverage, draw
from tests.chaos.chaos_stack import NAIVE_WORKER

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]


async def test_nothing_is_sent_twice_and_nothing_is_lost(tmp_path: Path) -> None:
    schedule = draw(20, agreements=24, kills=8, freezes=3, seconds=12)
    report = await run(schedule, tmp_path, report_line=print)
    assert report.is_clean, (schedule.seed, report.violations)
    assert report.done == {"kill": 8, "freeze": 3}
    for name, account in CHAOS_ACCOUNTS.items():
        assert coverage(report.faults[name])[" ".join(account.send)][2] >= 1
    assert len(report.evidence.cases) == 24


async def test_the_harness_can_report_a_worker_that_repeats_sends(tmp_path: Path) -> None:
    method, path = TURBODOCX.send
    lost = {"method": method, "path": path, "do": "drop", "at": "after", "times": 3}
    quiet = draw(2, agreements=6, kills=0, freezes=0, seconds=2, accounts=[TURBODOCX.name])
    schedule = replace(quiet, faults={TURBODOCX.name: {"api": [lost], "webhooks": []}})
    report = await run(schedule, tmp_path, worker=NAIVE_WORKER)
    assert coverage(report.faults[TURBODOCX.name])[" ".join(TURBODOCX.send)][2] == 3
    assert sum(len(case.documents) - 1 for case in report.evidence.cases if case.documents) == 3
    assert report.violations["sent_once"]
