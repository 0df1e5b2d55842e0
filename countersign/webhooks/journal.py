"""Verdicts, counted and logged: what the caller is not told, the operator is."""

import logging
import time
from collections import Counter
from datetime import datetime
from typing import Final

from countersign.agreements.events import SignatureEvent
from countersign.observability.metrics import WEBHOOK_DELAY, WEBHOOKS
from countersign.webhooks.dialect import Reading
from countersign.webhooks.verdict import Verdict

_log = logging.getLogger(__name__)

_LEVELS: Final = {
    Verdict.CONTRADICTED: logging.ERROR,
    Verdict.FORGOTTEN: logging.WARNING,
    Verdict.BUSY: logging.WARNING,
    Verdict.UNAVAILABLE: logging.WARNING,
}


class Journal:
    """Counts and logs verdicts; refusals, which strangers can cause at will, are logged once a second."""

    def __init__(self) -> None:
        self._unlogged: Counter[tuple[str, Verdict]] = Counter()
        self._next_line: dict[tuple[str, Verdict], float] = {}

    def accepted(self, dialect: str, verdict: Verdict, reading: Reading | None, *, seconds: float) -> None:
        """Note what became of a verified delivery.

        Args:
            dialect: The endpoint's name.
            verdict: What became of it.
            reading: What it said; None if it could not concern an agreement.
            seconds: How long the answer took.
        """
        count(dialect, verdict)
        extra: dict[str, object] = {
            "dialect": dialect,
            "verdict": verdict.value,
            "milliseconds": round(seconds * 1000, 1),
        }
        if reading is not None:
            event = reading.event
            extra |= {"event_id": event.event_id, "kind": event.kind, "document_id": event.document_id}
            if verdict is Verdict.SIGNALLED and (delay := _delay(event)) is not None:
                WEBHOOK_DELAY.labels(dialect=dialect).observe(delay)
        _log.log(_LEVELS.get(verdict, logging.INFO), "webhook %s", verdict.value, extra=extra)

    def refused(self, dialect: str, verdict: Verdict, *, caller: str | None = None) -> None:
        """Note a refusal.

        Args:
            dialect: The endpoint's name.
            verdict: Why.
            caller: Who sent it, where that is the reason.
        """
        count(dialect, verdict)
        key = dialect, verdict
        self._unlogged[key] += 1
        if (now := time.monotonic()) < self._next_line.get(key, 0):
            return
        self._next_line[key] = now + 1
        extra = {"dialect": dialect, "verdict": verdict.value, "count": self._unlogged.pop(key)}
        if caller is not None:
            extra["caller"] = caller
        _log.warning("webhook refused: %s", verdict.value, extra=extra)

    def failed(self, dialect: str, error: Exception) -> None:
        """Note a defect of ours. Its message may quote the delivery, so the log gets its type and place."""
        count(dialect, Verdict.FAILED)
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "nowhere"
        _log.error("webhook failed: %s at %s", type(error).__name__, where)


def expect(dialect: str) -> None:
    """Count an endpoint's verdicts from zero on: Prometheus sees no increase in what has just appeared."""
    for verdict in Verdict:
        WEBHOOKS.labels(dialect=dialect, verdict=verdict.value)


def count(dialect: str, verdict: Verdict) -> None:
    """Count a verdict; `dialect` is `none` where the request did not get as far as an endpoint."""
    WEBHOOKS.labels(dialect=dialect, verdict=verdict.value).inc()


def _delay(event: SignatureEvent) -> float | None:
    """Seconds from the event to now, by the provider's clock and ours."""
    try:
        happened = datetime.fromisoformat(event.occurred_at or "")
    except ValueError:
        return None
    return max(0.0, time.time() - happened.timestamp()) if happened.tzinfo else None
