"""A quick step costs no heartbeat; a long one is heard of in time."""

import pytest
from temporalio.testing import ActivityEnvironment

from activities import heartbeat
from workflows.agreement import policies


def heartbeats(monkeypatch: pytest.MonkeyPatch, moments: list[float]) -> list[int]:
    clock = iter(moments)
    monkeypatch.setattr("activities.heartbeat.time.monotonic", lambda: next(clock))
    heard: list[int] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: heard.append(details[0])

    def step() -> None:
        beating = heartbeat.ThrottledHeartbeat()
        beating.beat(1)
        beating.beat(2)

    environment.run(step)
    return heard


def test_a_quick_step_costs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert heartbeats(monkeypatch, [0, 5, 19]) == []


def test_a_long_step_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert heartbeats(monkeypatch, [0, 25, 25, 50, 50]) == [1, 2]


def test_a_slow_call_between_two_heartbeats_is_no_silence() -> None:
    assert policies.ARCHIVE.heartbeat is not None
    assert policies.ARCHIVE.heartbeat >= policies.CHECK.attempt + policies.CHECK.attempt / 2
