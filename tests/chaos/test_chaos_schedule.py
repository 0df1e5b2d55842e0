"""Test that a seed repeats a schedule, and that a schedule has all calls and faults."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import worker
from sandbox.core.fault_rules import Script
from tests.chaos.chaos_accounts import CHAOS_ACCOUNTS, DOCUMENSO, TURBODOCX, ChaosAccount
from tests.chaos.chaos_schedule import coverage, draw, faults_of, parts_of, unmet

SIZE: dict[str, Any] = {"agreements": 100, "kills": 50, "freezes": 10}


def test_a_seed_replays_the_schedule() -> None:
    assert draw(7, seconds=60, **SIZE) == draw(7, seconds=60, **SIZE)
    assert draw(7, seconds=60, **SIZE) != draw(8, seconds=60, **SIZE)


def test_everything_happens_within_the_time() -> None:
    schedule = draw(7, seconds=60, **SIZE)
    assert Counter(disruption.do for disruption in schedule.disruptions) == {"kill": 50, "freeze": 10}
    assert {disruption.part for disruption in schedule.disruptions} == set(parts_of(tuple(CHAOS_ACCOUNTS)))
    assert {order.wish for order in schedule.orders} == {"sign", "void", "cancel"}
    moments = [disruption.at for disruption in schedule.disruptions] + [order.at for order in schedule.orders]
    assert min(moments) >= 0
    assert max(moments) <= 60


@pytest.mark.parametrize("account", CHAOS_ACCOUNTS.values(), ids=CHAOS_ACCOUNTS)
def test_a_long_run_lets_every_call_meet_every_fault_before_and_after_its_work(
    account: ChaosAccount,
) -> None:
    schedule = draw(7, seconds=60, **(SIZE | {"agreements": 500}))
    script = Script.model_validate(schedule.faults[account.name])
    met = Counter((rule.method, rule.path) for rule in script.api)
    assert met == {call: len(faults_of(account, call)) for call in account.calls}
    assert {rule.at for rule in script.api} == {"before", "after", "late"}


def test_calls_of_all_activities_are_included() -> None:
    root = Path(worker.__file__).parent
    package = root / "countersign/providers/turbodocx"
    text = "".join((package / name).read_text() for name in ("adapter.py", "templates.py"))
    used = set(re.findall(r"client\.(\w+)", text))
    used -= {"close", "probe", "signature_setup", "list_templates", "prepare_for_review", "signing_url"}
    calls_of = {
        "get_template": ("GET", "/template/*"),
        "create_deliverable": ("POST", "/v1/deliverable"),
        "find_deliverables": ("GET", "/v1/deliverable"),
        "prepare_for_signing": TURBODOCX.send,
        "document_recipients": ("GET", "/turbosign/documents/*/recipients"),
        "void_document": ("POST", "/turbosign/documents/*/void"),
        "send_reminder": ("POST", "/turbosign/documents/*/send-reminder"),
        "download_link": ("GET", "/turbosign/documents/*/download"),
        "download": ("GET", "/_sandbox/storage/*"),
        "audit_trail": ("GET", "/turbosign/documents/*/audit-trail"),
        "webhooks": ("GET", "/api/webhooks/signature/deliveries"),
    }
    assert used == set(calls_of)
    assert set(TURBODOCX.calls) == set(calls_of.values())


def test_calls_of_all_activities_are_included_for_documenso() -> None:
    adapter = Path(worker.__file__).parent / "countersign/providers/documenso/adapter.py"
    used = set(re.findall(r"client\.(\w+)\(", adapter.read_text()))
    used -= {"close", "probe", "signing_recipient"}
    envelope = next(path for method, path in DOCUMENSO.calls if path.endswith("?"))
    calls_of = {
        "find": ("GET", "/api/v2/envelope"),
        "create_draft": ("POST", "/api/v2/envelope/create"),
        "distribute": DOCUMENSO.send,
        "envelope": ("GET", envelope),
        "cancel": ("POST", "/api/v2/envelope/cancel"),
        "delete": ("POST", "/api/v2/envelope/delete"),
        "redistribute": ("POST", "/api/v2/envelope/redistribute"),
        "download_item": ("GET", "/api/v2/envelope/item/*/download"),
        "download_certificate": ("GET", f"{envelope}/certificate/download"),
        "audit_log": ("GET", f"{envelope}/audit-log"),
    }
    assert used == set(calls_of)
    assert set(DOCUMENSO.calls) == set(calls_of.values())


@pytest.mark.parametrize(
    ("account", "path"),
    [(TURBODOCX, "/turbosign/documents/*/void"), (DOCUMENSO, "/api/v2/envelope/cancel")],
)
def test_more_documents_are_voided_than_void_has_faults(account: ChaosAccount, path: str) -> None:
    orders = draw(7, seconds=60, accounts=[account.name], **(SIZE | {"agreements": 500})).orders
    taken_back = [order for order in orders if order.wish != "sign" and order.once_sent]
    assert len(taken_back) > len(faults_of(account, ("POST", path)))


def test_agreements_alternate_between_the_accounts() -> None:
    schedule = draw(7, seconds=60, **SIZE)
    assert schedule.accounts == ("turbodocx", "documenso")
    assert Counter(order.account for order in schedule.orders) == {"turbodocx": 50, "documenso": 50}
    alone = draw(7, seconds=60, accounts=["documenso"], **SIZE)
    assert (alone.accounts, list(alone.faults)) == (("documenso",), ["documenso"])
    assert "sandbox" not in {disruption.part for disruption in alone.disruptions}


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
    """A lost send of TurboDocx needs a person; one of Documenso does not, so more of them meet faults."""
    drawn = draw(7, seconds=60, **(SIZE | {"agreements": 2 * agreements})).faults
    for account, share in ((TURBODOCX, 1 / 6), (DOCUMENSO, 1 / 2)):
        rules = drawn[account.name]["api"]
        hit = sum(rule["times"] for rule in rules if (rule["method"], rule["path"]) == account.send)
        assert agreements * share / 2 <= hit <= agreements * share
