"""Admit only as many deliveries as can be answered in time, and shed the rest at once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from countersign.webhooks.outcome import DeliveryOutcome, RejectedDeliveryError

ADMITTED_SECONDS: Final = 3.0
"""How long an admitted delivery may take by the measured pace. The rest of the 5 s that providers wait covers
what the measurement cannot see: a slower server, and connections that the event loop has not yet accepted."""
FEWEST: Final = 50
"""Deliveries that are always admitted, so that the measurement goes on."""
MOST: Final = 800
"""Deliveries in flight at any pace: a receiver that suddenly loses most of its processor answers these."""

_FIRST_GUESS: Final = 0.003
"""Seconds from one response to the next before anything is measured."""
_SMOOTHING: Final = 0.01
"""The weight of the latest measurement."""


class Admission:
    """Counts the deliveries in flight and measures the pace of the responses.

    By Little's law a new delivery waits for the number in flight times the time between two responses.

    Args:
        seconds: How long an admitted delivery may take.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(
        self, *, seconds: float = ADMITTED_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._in_flight = 0
        self._pace = _FIRST_GUESS
        self._responded_at = clock()

    @property
    def limit(self) -> int:
        """How many deliveries may be in flight now."""
        return min(MOST, max(FEWEST, int(self._seconds / self._pace)))

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Handle one delivery in this context.

        Raises:
            RejectedDeliveryError: `CROWDED`, it could not be answered in time.
        """
        if self._in_flight >= self.limit:
            raise RejectedDeliveryError(DeliveryOutcome.CROWDED)
        self._in_flight += 1
        if self._in_flight == FEWEST:
            self._responded_at = self._clock()
        try:
            yield
        finally:
            now = self._clock()
            if self._in_flight >= FEWEST:  # fewer leave gaps between responses that are no pace
                self._pace += _SMOOTHING * (now - self._responded_at - self._pace)
            self._in_flight -= 1
            self._responded_at = now
