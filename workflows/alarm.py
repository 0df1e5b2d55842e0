"""A timer that survives news: waking up for an event must not cost another timer."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow


class Alarm:
    """One durable timer at a time, kept while its moment stays the same."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._timer: asyncio.Task[None] | None = None

    def set(self, at: datetime, summary: str) -> None:
        """Ring at this moment instead of any other; a moment that has passed rings at once."""
        if at == self._at:
            return
        self.cancel()
        self._at = at
        duration = max(at - workflow.now(), timedelta(0))
        self._timer = asyncio.create_task(workflow.sleep(duration, summary=summary))

    def rings(self) -> bool:
        """Whether the moment has come."""
        return self._timer is not None and self._timer.done()

    def cancel(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._at = self._timer = None
