"""Test that the rules find their violations and no others."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.chaos_evidence import Case, Document, Evidence
from tests.chaos.chaos_rules import violations

HASHES = {"signed.pdf": "aa", "audit-trail.json": "bb", "timeline.json": "cc", "claim.json": "dd"}
SIGNED = Document("doc-1", "completed", ("ada@example.com", "ben@example.com"), "aa")
VOIDED = Document("doc-2", "voided", ("ada@example.com",))
OPEN = Document("doc-3", "open", ("ada@example.com",))
DRAFT = Document("doc-4", "draft")

COMPLETED = Case(
    "done",
    ended="completed",
    documents=(SIGNED,),
    files=HASHES,
    archivings=1,
    accepted=("e1", "e2"),
    signalled=("e1", "e2", "e2", "e3"),
    recorded=("e2", "e1", "e3"),
)
TAKEN_BACK = Case("gone", wish="void", ended="voided", documents=(VOIDED,), files={"claim.json": "ee"})
ASKED = Case("asked", wish="void", ended="abandoned", asked=True, waited=True, unknown_sends=1)
CERTIFIED = replace(
    COMPLETED,
    account="documenso",
    is_conclusive=True,
    attachments=("certificate.pdf",),
    files={**HASHES, "certificate.pdf": "ff"},
    documents=(DRAFT, SIGNED),
)


def broken(*cases: Case, **more: Any) -> list[str]:
    """Return the names of the rules that these agreements violate."""
    return [rule for rule, found in violations(Evidence(cases, **more)).items() if found]


def test_a_clean_run_violates_no_rule() -> None:
    assert broken(COMPLETED, TAKEN_BACK, ASKED, CERTIFIED) == []


@pytest.mark.parametrize(
    ("rule", "case"),
    [
        ("sent_once", replace(COMPLETED, documents=(SIGNED, replace(OPEN, invited=())))),
        ("sent_once", replace(TAKEN_BACK, documents=(VOIDED, VOIDED))),
        ("sent_once", replace(TAKEN_BACK, documents=(replace(VOIDED, invited=("a@b.example",) * 2),))),
        ("sent_once", replace(TAKEN_BACK, documents=(replace(VOIDED, reminded=2),), reminds=1)),
        ("ends_or_waits", replace(ASKED, unknown_sends=0)),
        ("ends_or_waits", replace(ASKED, overlooked=1)),
        ("ends_or_waits", replace(TAKEN_BACK, wish="sign")),
        ("ends_or_waits", replace(ASKED, is_conclusive=True)),
        ("ends_or_waits", replace(CERTIFIED, asked=True)),
        ("archived_when_completed", replace(CERTIFIED, files=HASHES)),
        ("archived_when_completed", replace(COMPLETED, files={"claim.json": "dd"})),
        ("archived_when_completed", replace(COMPLETED, files={**HASHES, "signed.pdf.part": "ff"})),
        ("archived_when_completed", replace(COMPLETED, files={**HASHES, "signed.pdf": "ff"})),
        ("archived_when_completed", replace(COMPLETED, archivings=2)),
        ("archived_when_completed", replace(COMPLETED, archivings=0)),
        ("archived_when_completed", replace(TAKEN_BACK, files=HASHES)),
        ("events_count_once", replace(COMPLETED, signalled=("e1", "e3"))),
        ("events_count_once", replace(COMPLETED, recorded=("e1", "e2"))),
        ("events_count_once", replace(COMPLETED, recorded=("e1", "e2", "e2", "e3"))),
        ("events_count_once", replace(COMPLETED, recorded=None)),
        ("replays", replace(COMPLETED, unreplayable="another activity was scheduled")),
        ("drains", replace(TAKEN_BACK, documents=(OPEN,))),
        ("drains", replace(ASKED, ended=None)),
        ("leaves_forgeries_alone", replace(COMPLETED, forged=(replace(OPEN, reminded=1),))),
        ("leaves_forgeries_alone", replace(COMPLETED, forged=(VOIDED,))),
        ("leaves_forgeries_alone", replace(COMPLETED, forged=(SIGNED,))),
    ],
)
def test_rules_find_their_violations(rule: str, case: Case) -> None:
    assert broken(case) == [rule]


def test_a_forgery_may_be_open_or_signed() -> None:
    assert broken(replace(COMPLETED, forged=(OPEN, replace(SIGNED, signed_sha256="ff")))) == []


def test_a_forgery_may_make_a_conclusive_search_ask_a_person() -> None:
    assert broken(replace(CERTIFIED, asked=True, forged=(OPEN,))) == []


def test_a_forgery_may_make_an_agreement_wait_that_lost_no_send() -> None:
    assert broken(replace(ASKED, unknown_sends=0, forged=(OPEN,))) == []


def test_a_forgotten_agreement_violates_two_rules() -> None:
    assert broken(replace(TAKEN_BACK, ended=None)) == ["ends_or_waits", "drains"]


def test_a_signed_document_of_a_voided_agreement_is_no_archive() -> None:
    case = replace(TAKEN_BACK, documents=(SIGNED,))
    assert broken(case) == ["archived_when_completed", "drains"]


def test_nine_of_ten_must_complete() -> None:
    failed = Case("failed", ended="failed")
    assert broken(*[COMPLETED] * 9, failed) == []
    assert broken(*[COMPLETED] * 8, failed) == ["ends_or_waits"]


@pytest.mark.parametrize("left", [{"undelivered": 1}, {"pending": 1}])
def test_what_is_still_tried_has_not_drained(left: dict[str, int]) -> None:
    assert broken(COMPLETED, **left) == ["drains"]
