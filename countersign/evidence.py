"""The archived evidence: the timeline, with the source of every entry and times in one format. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from countersign.agreements.messages import TimelineEntry

LARGEST_DOCUMENT: Final = 200 * 1024 * 1024
"""The size in bytes up to which a signed document is archived."""


def evidence_bytes(content: Any) -> bytes:
    """Write evidence as the archive holds it."""
    return to_json(content, indent=2, fallback=str)


def timeline_content(
    timeline: Iterable[TimelineEntry], *, reference: str, document_id: str, sha256: str, signers: int
) -> dict[str, Any]:
    """Return what `timeline.json` holds.

    Args:
        timeline: The entries.
        reference: The agreement's.
        document_id: Its document.
        sha256: The hash of the signed PDF.
        signers: How many recipients signed.
    """
    return {
        "reference": reference,
        "document_id": document_id,
        "sha256": sha256,
        "signers": signers,
        "timeline": written_out(timeline),
    }


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
