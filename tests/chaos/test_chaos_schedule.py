"""A run can be repeated by its seed, and leaves no call and no fault out."""

from collections import Counter

import pytest

from countersign.sandbox.fault_rules import Script
from tests.chaos.chaos_schedule import CALLS, PARTS, SEND, draw, faults_of

SIZE = {"agreements": 100, "kills": 50, "freezes": 10}


def test_a_seed_replays_the_schedule() -> None:
    assert draw(7, seconds=60, **SIZE) == draw(7, seconds=60, **SIZE)
    assert draw(7, seconds=60, **SIZE) != draw(8, seconds=60, **SIZE)


def test_everything_happens_within_the_time() -> None:
    schedule = draw(7, seconds=60, **SIZE)
    assert Counter(blow.do for blow in schedule.blows) == {"kill": 50, "freeze": 10}
    assert {blow.part for blow in schedule.blows} == set(PARTS)
    assert {order.wish for order in schedule.orders} == {"sign", "void", "cancel"}
    moments = [blow.at for blow in schedule.blows] + [order.at for order in schedule.orders]
    assert min(moments) >= 0
    assert max(moments) <= 60


def test_a_long_run_lets_every_call_meet_every_fault_before_and_after_its_work() -> None:
    script = Script.model_validate(draw(7, seconds=60, **(SIZE | {"agreements": 500})).faults)
    met = Counter((rule.method, rule.path) for rule in script.api)
    assert met == {call: len(faults_of(call)) for call in CALLS}
    assert {rule.at for rule in script.api} == {"before", "after", "late"}


@pytest.mark.parametrize("agreements", [12, 60, 500])
def test_most_sends_are_spared(agreements: int) -> None:
    faults = draw(7, seconds=60, **(SIZE | {"agreements": agreements})).faults["api"]
    hit = sum(rule["times"] for rule in faults if (rule["method"], rule["path"]) == SEND)
    assert agreements / 12 <= hit <= agreements / 6
