"""Heartbeats of activities that may take long; none while they are quick, since a heartbeat is billed."""

import time
from typing import Final

from temporalio import activity

SECONDS: Final = 20.0
"""Between two heartbeats: far below the time-out, and far above the usual duration of an activity."""


class ThrottledHeartbeat:
    """Sends heartbeats, at most one per `SECONDS`."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self, progress: int = 0) -> None:
        """Send a heartbeat, unless the last one is recent.

        Args:
            progress: The progress that the Temporal UI shows.
        """
        if time.monotonic() - self._last >= SECONDS:
            self._last = time.monotonic()
            activity.heartbeat(progress)
