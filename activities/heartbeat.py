"""Heartbeats of a step that may take long: none while it is quick, as each is a billable action."""

import time
from typing import Final

from temporalio import activity

SECONDS: Final = 20.0
"""Between two heartbeats: far below the time-out, and far above what a usual step takes."""


class ThrottledHeartbeat:
    """Tells Temporal that a step is alive, seldom."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self, progress: int = 0) -> None:
        """Say so, if it was not said lately.

        Args:
            progress: How far the step is, for the Temporal UI.
        """
        if time.monotonic() - self._last >= SECONDS:
            self._last = time.monotonic()
            activity.heartbeat(progress)
