"""The timeline as it is archived: who tells of each entry, and every time in one spelling. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from countersign.agreements.messages import TimelineEntry


def written_out(timeline: Iterable[TimelineEntry]) -> list[dict[str, Any]]:
    """Write entries for a reader who knows nothing of our code, in the order that we came to know them.

    Args:
        timeline: The entries; one of the provider's events has its id.

    Returns:
        JSON objects. `by` is `provider` for what its events told and `countersign` for our own steps, since
        both may be of one name: we sent it, and the provider says that it was sent.
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
    """Write a time in UTC to the millisecond, with `Z`; as it is where it is no time, or tells no offset."""
    try:
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None:
            return moment
        return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):  # the last, of a time before the year 1
        return moment
