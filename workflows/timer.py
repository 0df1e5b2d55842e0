"""A durable timer that stays when an event wakes the workflow: a new timer costs an action."""

import asyncio
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from temporalio import workflow

_SOON: Final = timedelta(milliseconds=1)
"""The shortest timer. An overdue purpose still fires by a timer in the history, never by the clock."""


class Due(NamedTuple):
    """What is due, and when. `purpose` is shown in the Temporal UI, unless the timer is usual."""

    at: datetime
    purpose: str


class UpdatableTimer:
    """One durable timer at a time, kept while its purpose stays the same.

    The history records whether it fired, so a replay finds the same. The clock only sets its length.

    Args:
        usual: The purpose that needs no summary in the Temporal UI.
    """

    def __init__(self, *, usual: str | None = None) -> None:
        self._usual = usual
        self._due: Due | None = None
        self._task: asyncio.Task[None] | None = None

    def set(self, due: Due | None) -> None:
        """Replace the purpose and its time; None stops the timer. The same value changes nothing."""
        if due == self._due:
            return
        self.cancel()
        self._due = due
        if due is not None:
            duration = max(due.at - workflow.now(), _SOON)
            summary = None if due.purpose == self._usual else due.purpose
            self._task = asyncio.create_task(workflow.sleep(duration, summary=summary))

    @property
    def fired(self) -> Due | None:
        """The purpose that the timer fired for, until another is set; None while it runs."""
        return self._due if self._task is not None and self._task.done() else None

    def cancel(self) -> None:
        """Stop the timer."""
        if self._task is not None:
            self._task.cancel()
        self._due = self._task = None
