"""Evidence of a send in the provider's delivery log: documents that carry its marker."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from countersign.agreements.reference import Marker
from countersign.providers.turbodocx.delivery_log import is_last, marked, pages
from countersign.providers.turbodocx.subscription import Subscription

_CALLS: Final = 10


@dataclass(frozen=True, slots=True)
class Found:
    """Documents with events that carry our marker.

    Args:
        document_ids: Their ids.
        read: How many deliveries were read.
        is_all: Whether those were all since the time that was asked for.
    """

    document_ids: tuple[str, ...]
    read: int
    is_all: bool

    def evidence(self) -> str:
        """Return what was read, as a sentence."""
        if self.is_all:
            return f"delivery log: {self.read:,} deliveries read"
        return f"delivery log: only the newest {self.read:,} deliveries read"


async def documents_marked(
    log: Subscription, mark: Marker, *, since: datetime, heartbeat: Callable[[int], object]
) -> Found:
    """Find documents by the marker in their events' titles: up to ten calls.

    Args:
        log: The log.
        mark: The marker to find.
        since: How far to go back.
        heartbeat: Called with the number of deliveries read, after every call.

    Raises:
        ProviderError: The log could not be read.
    """
    document_ids: set[str] = set()
    read, is_all = 0, False
    async for page in pages(log, since=since, at_most=_CALLS):
        read, is_all = read + len(page), is_last(page, since)
        heartbeat(read)
        document_ids |= {found.document_id for found in marked(page) if found.marker == mark}
    return Found(tuple(sorted(document_ids)), read, is_all)
