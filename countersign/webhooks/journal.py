"""Verdicts, counted and logged: what the caller is not told, the operator is."""

import logging
import time
from collections import Counter
from datetime import datetime

from countersign.events import SignatureEvent
from countersign.observability.metrics import WEBHOOK_DELAY, WEBHOOKS
from countersign.webhooks.dialect import Reading
from countersign.webhooks.verdict import Verdict

_log = logging.getLogger(__name__)


class Journal:
    """Counts and logs verdicts; refusals, which strangers can cause at will, are logged once a second."""

    def __init__(self) -> None:
        self._unlogged: Counter[tuple[str, Verdict]] = Counter()
        self._next_line: dict[tuple[str, Verdict], float] = {}

    def record(self, dialect: str, verdict: Verdict, reading: Reading | None, *, seconds: float) -> None:
        """Note what became of a delivery.

        Args:
            dialect: The endpoint's name.
            verdict: What became of it.
            reading: What it said, if it was verified and readable.
            seconds: How long the answer took.
        """
        WEBHOOKS.labels(dialect=dialect, verdict=verdict.value).inc()
        if reading is None:
            self._log_refusal(dialect, verdict)
            return
        event = reading.event
        if verdict is Verdict.SIGNALLED and (delay := _delay(event)) is not None:
            WEBHOOK_DELAY.labels(dialect=dialect).observe(delay)
        _log.info(
            "webhook %s",
            verdict.value,
            extra={
                "dialect": dialect,
                "verdict": verdict.value,
                "event_id": event.event_id,
                "kind": event.kind,
                "document_id": event.document_id,
                "milliseconds": round(seconds * 1000, 1),
            },
        )

    def defect(self, error: Exception) -> None:
        """Note an error that should not have been; its message may quote the delivery, so it is left out."""
        _log.error("webhook failed: %s", type(error).__name__)

    def _log_refusal(self, dialect: str, verdict: Verdict) -> None:
        key = dialect, verdict
        self._unlogged[key] += 1
        if (now := time.monotonic()) < self._next_line.get(key, 0):
            return
        self._next_line[key] = now + 1
        count = self._unlogged.pop(key)
        extra = {"dialect": dialect, "verdict": verdict.value, "count": count}
        _log.warning("webhook refused: %s", verdict.value, extra=extra)


def _delay(event: SignatureEvent) -> float | None:
    """Seconds from the event to now, by the provider's clock and ours."""
    try:
        happened = datetime.fromisoformat(event.occurred_at or "")
    except ValueError:
        return None
    if happened.tzinfo is None:
        return None
    return max(0.0, time.time() - happened.timestamp())
