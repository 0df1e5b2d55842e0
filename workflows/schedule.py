"""When to look at a document that no webhook has told us about: soon at first, then seldom. Pure."""

from datetime import datetime, timedelta
from typing import Final

from workflows.messages import ReminderPlan

_FIRST: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_HOURLY: Final = 24
FINALIZATION_FAILED: Final = timedelta(days=1)
"""The provider may still finalise such a document; asking daily is enough."""


def until_next_look(looks: int) -> timedelta:
    """How long to wait for the next look: 1, 5, 15 minutes, hourly for a day, then daily."""
    if looks < len(_FIRST):
        return _FIRST[looks]
    return timedelta(hours=1) if looks < len(_FIRST) + _HOURLY else timedelta(days=1)


def next_reminder(plan: ReminderPlan | None, sent_at: datetime, reminders: int) -> datetime | None:
    """When reminder number `reminders` + 1 is due; None if there are no more."""
    if plan is None or reminders >= plan.at_most:
        return None
    return sent_at + plan.after + plan.every * reminders
