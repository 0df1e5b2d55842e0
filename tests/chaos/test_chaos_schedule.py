"""Test that a seed repeats a schedule, and that a schedule has all calls and faults."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import worker
from sandbox.core.fault_rules import Script
from tests.chaos.chaos_schedule import CALLS, PARTS, SEND, coverage, draw, faults_of, unmet

SIZE: dict[str, Any] = {"agreements": 100, "kills": 50, "freezes": 10}


def test_a_seed_replays_the_schedule() -> None:
    assert draw(7, seconds=60, **SIZE) == draw(7, seconds=60, **SIZE)
    assert draw(7, seconds=60, **SIZE) != draw(8, seconds=60, **SIZE)


def test_everything_happens_within_the_time() -> None:
    schedule = draw(7, seconds=60, **SIZE)
    assert Counter(disruption.do for disruption in schedule.disruptions) == {"kill": 50, "freeze": 10}
    assert {disruption.part for disruption in schedule.disruptions} == set(PARTS)
    assert {order.wish for order in schedule.orders} == {"sign", "void", "cancel"}
    moments = [disruption.at for disruption in schedule.disruptions] + [order.at for order in schedule.orders]
    assert min(moments) >= 0
    assert max(moments) <= 60


def test_a_long_run_lets_every_call_meet_every_fault_before_and_after_its_work() -> None:
    schedule = draw(7, seconds=60, **(SIZE | {"agreements": 500}))
    script = Script.model_validate(schedule.faults)
    met = Counter((rule.method, rule.path) for rule in script.api)
    assert met == {call: len(faults_of(call)) for call in CALLS}
    assert {rule.at for rule in script.api} == {"before", "after", "late"}


def test_calls_of_all_activities_are_included() -> None:
    root = Path(worker.__file__).parent
    package = root / "countersign/providers/turbodocx"
    text = "".join((package / name).read_text() for name in ("adapter.py", "templates.py"))
    used = set(re.findall(r"client\.(\w+)\(|client\.(webhooks)\b", text))
    used = {name or other for name, other in used} - {"close", "probe", "signature_setup", "list_templates"}
    calls_of = {
        "get_template": ("GET", "/template/*"),
        "create_deliverable": ("POST", "/v1/deliverable"),
        "find_deliverables": ("GET", "/v1/deliverable"),
        "prepare_for_signing": SEND,
        "document_recipients": ("GET", "/turbosign/documents/*/recipients"),
        "void_document": ("POST", "/turbosign/documents/*/void"),
        "send_reminder": ("POST", "/turbosign/documents/*/send-reminder"),
        "download_link": ("GET", "/turbosign/documents/*/download"),
        "download": ("GET", "/_sandbox/storage/*"),
        "audit_trail": ("GET", "/turbosign/documents/*/audit-trail"),
        "webhooks": ("GET", "/api/webhooks/signature/deliveries"),
    }
    assert used == set(calls_of)
    assert set(CALLS) == set(calls_of.values())


def test_more_documents_are_voided_than_void_has_faults() -> None:
    orders = draw(7, seconds=60, **(SIZE | {"agreements": 500})).orders
    taken_back = [order for order in orders if order.wish != "sign" and order.once_sent]
    assert len(taken_back) > len(faults_of(("POST", "/turbosign/documents/*/void")))


def test_coverage_counts_what_was_met() -> None:
    rules = [
        {"method": "POST", "path": "/a", "do": "drop", "at": "after", "hits": 2},
        {"method": "POST", "path": "/a", "do": "drop", "at": "before", "hits": 0},
    ]
    script = {"api": rules, "webhooks": [{"do": "delay", "hits": 3}]}
    assert coverage(script) == {"POST /a": (1, 2, 2), "webhooks": (1, 1, 3)}
    assert unmet(script) == ["POST /a: drop before"]


@pytest.mark.parametrize("agreements", [12, 60, 500])
def test_most_sends_are_spared(agreements: int) -> None:
    faults = draw(7, seconds=60, **(SIZE | {"agreements": agreements})).faults["api"]
    hit = sum(rule["times"] for rule in faults if (rule["method"], rule["path"]) == SEND)
    assert agreements / 12 <= hit <= agreements / 6
