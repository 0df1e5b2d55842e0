"""The archived timeline: the source of every entry, and times in one format. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from countersign.agreements.messages import TimelineEntry


def written_out(timeline: Iterable[TimelineEntry]) -> list[dict[str, Any]]:
    """Write entries for readers without the code, in the order in which they became known.

    Args:
        timeline: The entries; one of the provider's events has its id.

    Returns:
        JSON objects. `by` is `provider` for its events and `countersign` for the workflow's steps, which may
        have the same name.
    """
    return [
        {
            **({} if entry.at is None else {"at": one_spelling(entry.at)}),
            "by": "provider" if entry.event_id else "countersign",
            **entry.model_dump(mode="json", exclude_none=True, exclude={"at"}),
        }
        for entry in timeline
    ]


def one_spelling(moment: str) -> str:
    """Format a time in UTC to the millisecond, with `Z`; return text without time or offset unchanged."""
    try:
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None:
            return moment
        return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):  # the last, of a time before the year 1
        return moment
