"""Count and log what deliveries ended in, for the operator."""

import logging
import time
from collections import Counter
from datetime import datetime
from typing import Final

from countersign.agreements.events import SignatureEvent
from countersign.observability.metrics import WEBHOOK_DELAY, WEBHOOKS
from countersign.webhooks.adapter import ParsedDelivery
from countersign.webhooks.outcome import DeliveryOutcome

_log = logging.getLogger(__name__)

_LEVELS: Final = {
    DeliveryOutcome.CONTRADICTED: logging.ERROR,
    DeliveryOutcome.FORGOTTEN: logging.WARNING,
    DeliveryOutcome.BUSY: logging.WARNING,
    DeliveryOutcome.UNAVAILABLE: logging.WARNING,
}


class Journal:
    """Counts and logs outcomes. A rejection, which any caller can cause, is logged at most once a second."""

    def __init__(self) -> None:
        self._unlogged: Counter[tuple[str, DeliveryOutcome]] = Counter()
        self._next_line: dict[tuple[str, DeliveryOutcome], float] = {}

    def accepted(
        self, adapter: str, outcome: DeliveryOutcome, parsed: ParsedDelivery | None, *, seconds: float
    ) -> None:
        """Record the outcome of a verified delivery.

        Args:
            adapter: The adapter's name.
            outcome: What the delivery ended in.
            parsed: The delivery; None if it cannot concern an agreement.
            seconds: From the request to the response.
        """
        count(adapter, outcome)
        extra: dict[str, object] = {
            "dialect": adapter,
            "verdict": outcome.value,
            "milliseconds": round(seconds * 1000, 1),
        }
        if parsed is not None:
            event = parsed.event
            extra |= {"event_id": event.event_id, "kind": event.kind, "document_id": event.document_id}
            if outcome is DeliveryOutcome.SIGNALLED and (delay := _delay(event)) is not None:
                WEBHOOK_DELAY.labels(dialect=adapter).observe(delay)
        _log.log(_LEVELS.get(outcome, logging.INFO), "webhook %s", outcome.value, extra=extra)

    def rejected(self, adapter: str, outcome: DeliveryOutcome, *, caller: str | None = None) -> None:
        """Record a rejected delivery.

        Args:
            adapter: The adapter's name.
            outcome: The reason.
            caller: The caller's address, if that is the reason.
        """
        count(adapter, outcome)
        key = adapter, outcome
        self._unlogged[key] += 1
        if (now := time.monotonic()) < self._next_line.get(key, 0):
            return
        self._next_line[key] = now + 1
        extra = {"dialect": adapter, "verdict": outcome.value, "count": self._unlogged.pop(key)}
        if caller is not None:
            extra["caller"] = caller
        _log.warning("webhook rejected: %s", outcome.value, extra=extra)

    def failed(self, adapter: str, error: Exception) -> None:
        """Record a defect by its type and place: its message may quote the delivery."""
        count(adapter, DeliveryOutcome.FAILED)
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "nowhere"
        _log.error("webhook failed: %s at %s", type(error).__name__, where)


def expect(adapter: str) -> None:
    """Start an adapter's counters at zero. Prometheus sees no increase in a series that starts at one."""
    for outcome in DeliveryOutcome:
        WEBHOOKS.labels(dialect=adapter, verdict=outcome.value)


def count(adapter: str, outcome: DeliveryOutcome) -> None:
    """Count an outcome; `adapter` is `none` if the request did not reach a route."""
    WEBHOOKS.labels(dialect=adapter, verdict=outcome.value).inc()


def _delay(event: SignatureEvent) -> float | None:
    """Return the seconds from the event, by the provider's clock, to now; None if its time is unknown."""
    try:
        occurred = datetime.fromisoformat(event.occurred_at or "")
    except ValueError:
        return None
    return max(0.0, time.time() - occurred.timestamp()) if occurred.tzinfo else None
