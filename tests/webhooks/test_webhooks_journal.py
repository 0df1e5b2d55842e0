"""Outcomes are counted and logged, rejections at a limited rate, without personal data."""

import logging

import pytest
from prometheus_client import REGISTRY

from countersign.agreements.events import SignatureEvent
from countersign.webhooks.adapter import ParsedDelivery
from countersign.webhooks.outcome import DeliveryOutcome
from countersign.webhooks.receiver import Journal


def counted(outcome: DeliveryOutcome, adapter: str = "test") -> float:
    labels = {"dialect": adapter, "verdict": outcome.value}
    return REGISTRY.get_sample_value("countersign_webhooks_total", labels) or 0


def delays() -> float:
    return REGISTRY.get_sample_value("countersign_webhook_delay_seconds_count", {"dialect": "test"}) or 0


def a_delivery(occurred_at: str | None = None) -> ParsedDelivery:
    return ParsedDelivery(SignatureEvent(event_id="evt_1", kind="viewed", occurred_at=occurred_at), None)


@pytest.mark.parametrize("outcome", DeliveryOutcome)
def test_every_outcome_has_one_of_few_statuses(outcome: DeliveryOutcome) -> None:
    assert outcome.status in {200, 400, 401, 403, 404, 408, 413, 415, 421, 422, 503}


def test_rejections_are_all_counted_and_logged_once_a_second(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("countersign.webhooks.receiver.time.monotonic", lambda: now[0])
    before, book = counted(DeliveryOutcome.MISMATCH), Journal()

    for _ in range(1000):
        book.rejected("test", DeliveryOutcome.MISMATCH)
    book.rejected("test", DeliveryOutcome.WRONG_CALLER, caller="198.51.100.9")
    now[0] += 1
    book.rejected("test", DeliveryOutcome.MISMATCH)

    assert counted(DeliveryOutcome.MISMATCH) - before == 1001
    counts = [record.count for record in caplog.records]  # type: ignore[attr-defined]
    assert counts == [1, 1, 1000]
    assert caplog.records[1].caller == "198.51.100.9"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("occurred_at", "measured"),
    [("2025-08-26T11:35:12.480Z", True), ("2025-08-26T11:35:12", False), ("soon", False), (None, False)],
)
def test_the_delay_is_measured_where_the_provider_reported_the_time(
    occurred_at: str | None, *, measured: bool
) -> None:
    before = delays()

    Journal().accepted("test", DeliveryOutcome.SIGNALLED, a_delivery(occurred_at), seconds=0.01)

    assert delays() - before == measured


def test_titles_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    Journal().accepted("test", DeliveryOutcome.SIGNALLED, a_delivery(), seconds=0.0123)

    (record,) = caplog.records
    assert record.event_id == "evt_1"  # type: ignore[attr-defined]
    assert record.milliseconds == 12.3  # type: ignore[attr-defined]
    assert "Ada" not in str(vars(record))


def test_a_defect_is_reported_by_type_and_place_alone(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int("signer@example.com")
    except ValueError as error:
        Journal().failed("test", error)

    assert "ValueError at " in caplog.text
    assert "test_webhooks_journal.py:" in caplog.text
    assert "signer" not in caplog.text
