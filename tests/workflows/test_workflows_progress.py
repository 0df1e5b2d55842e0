"""The state machine: however events come, the same is known; only the provider's answer ends a document."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.messages import Observation, RecipientProgress
from workflows.agreement import progress
from workflows.agreement.progress import SEEN_LIMIT, TIMELINE_LIMIT, Progress

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECIPIENTS = ("r1", "r2", "r3")
SENT = progress.adopt(Progress(), "doc", RECIPIENTS)

events = st.builds(
    SignatureEvent,
    event_id=st.uuids().map(str),
    kind=st.sampled_from([*EventKind, "something_new"]),
    document_id=st.sampled_from(["doc", "doc", "doc", "other", None]),
    recipient_id=st.sampled_from([*RECIPIENTS, None]),
    occurred_at=st.datetimes(min_value=datetime(2025, 1, 1), max_value=datetime(2026, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.isoformat(timespec="milliseconds") + "Z"
    ),
)
histories = st.lists(events, max_size=12)


def after(known: Progress, reported: list[SignatureEvent]) -> Progress:
    for event in reported:
        known = progress.apply(known, event)
    return known


def facts(known: Progress) -> tuple[object, ...]:
    recipients = sorted(known.recipients, key=lambda recipient: recipient.recipient_id)
    return (
        recipients,
        known.reported_ends,
        known.ended,
        known.finalization_failed,
        known.others,
        known.ignored,
    )


@given(histories, st.randoms(use_true_random=False), st.integers(1, 3))
def test_order_and_repetition_change_nothing(
    reported: list[SignatureEvent], chance: random.Random, times: int
) -> None:
    shuffled = reported * times
    chance.shuffle(shuffled)
    assert facts(after(SENT, reported)) == facts(after(SENT, shuffled))


@given(histories, histories)
def test_what_is_known_never_gets_less(first: list[SignatureEvent], second: list[SignatureEvent]) -> None:
    before = after(SENT, first)
    later = after(before, second)
    assert later.signed_count() >= before.signed_count()
    assert later.reported_ends >= before.reported_ends
    assert later.others >= before.others
    assert later.document_id == "doc"


@given(histories)
def test_events_alone_never_end_a_document(reported: list[SignatureEvent]) -> None:
    assert after(SENT, reported).ended is None


@given(histories, st.sampled_from(["completed", "voided", "expired", "declined"]), st.data())
def test_any_subset_of_events_ends_alike_once_the_provider_has_answered(
    reported: list[SignatureEvent], status: str, data: st.DataObject
) -> None:
    kept = [event for event in reported if data.draw(st.booleans())]
    truth = Observation(
        status=status,
        recipients=tuple(RecipientProgress(recipient_id=recipient, signed_at="") for recipient in RECIPIENTS),
    )
    whole = progress.observe(after(SENT, reported), truth, NOW)
    partial = progress.observe(after(SENT, kept), truth, NOW)
    assert whole.ended == partial.ended == status
    assert whole.signed_count() == partial.signed_count() == len(RECIPIENTS)
    assert whole.reported_ends == partial.reported_ends == frozenset()


@given(histories, st.permutations(["completed", "voided", "expired"]))
def test_the_first_confirmed_end_wins(reported: list[SignatureEvent], statuses: list[str]) -> None:
    known = after(SENT, reported)
    for status in statuses:
        known = progress.observe(known, Observation(status=status), NOW)
    assert known.ended == statuses[0]


def event(kind: str, *, document_id: str | None = "doc", number: int = 1) -> SignatureEvent:
    return SignatureEvent(
        event_id=f"evt_{number}", kind=kind, document_id=document_id, recipient_id="r1", occurred_at="2025"
    )


@pytest.mark.parametrize(
    ("reported", "why"),
    [
        (event("something_new"), "unknown kind"),
        (event("completed", document_id="other"), "another document"),
        (event("voided"), "contradicts completed"),
    ],
)
def test_what_cannot_be_applied_is_recorded_with_its_reason(reported: SignatureEvent, why: str) -> None:
    completed = progress.observe(SENT, Observation(status="completed"), NOW)
    known = progress.apply(completed, reported)
    assert (known.timeline[-1].ignored, known.ignored) == (why, 1)
    assert facts(known)[:4] == facts(completed)[:4]


def test_another_document_with_our_marker_is_remembered() -> None:
    assert progress.apply(SENT, event("sent", document_id="twin")).others == {"twin"}


def test_adopting_a_document_takes_it_off_the_list_of_others() -> None:
    known = progress.apply(SENT, event("sent", document_id="twin"))
    assert progress.adopt(known, "twin", RECIPIENTS).others == frozenset()


def test_the_earliest_time_of_a_signature_counts() -> None:
    late, early = (
        SignatureEvent(
            event_id=at, kind=kind, document_id="doc", recipient_id="r1", occurred_at=f"2025-01-0{at}"
        )
        for at, kind in (("2", "partially_signed"), ("1", "recipient_signed"))
    )
    assert after(SENT, [late, early]).recipients[0].signed_at == "2025-01-01"


def test_a_long_life_stays_bounded() -> None:
    reported = [event("viewed", number=number) for number in range(SEEN_LIMIT + TIMELINE_LIMIT)]
    known = after(SENT, reported)
    assert len(known.seen) == SEEN_LIMIT
    assert len(known.timeline) == TIMELINE_LIMIT
