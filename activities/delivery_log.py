"""Evidence of sends in the provider's log of webhook deliveries.

Every document has one `sent` event, so only those are read, newest first, back to a time. Where there is none
at all (they are not subscribed, or the filter misbehaves, as others of this log do), any event will do.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from countersign.providers.turbodocx.models import WebhookDelivery
from countersign.providers.turbodocx.subscription import Subscription
from countersign.reference import Marker, find_marker

_SENT: Final = "signature.document.sent"
_PAGE: Final = 100
_PAGES: Final = 10


@dataclass(frozen=True, slots=True)
class MarkedDocument:
    """A document that the log names, and the marker in its title."""

    document_id: str
    marker: Marker


@dataclass(frozen=True, slots=True)
class Found:
    """Documents whose events carry our marker.

    Args:
        document_ids: Their ids.
        read: How many deliveries were read.
        is_all: Whether those were all since the time that was asked for.
    """

    document_ids: tuple[str, ...]
    read: int
    is_all: bool

    def evidence(self) -> str:
        """Say what was looked at."""
        if self.is_all:
            return f"delivery log: {self.read:,} deliveries read"
        return f"delivery log: looked at the newest {self.read:,} deliveries only"


async def documents_marked(
    log: Subscription, mark: Marker, *, since: datetime, heartbeat: Callable[[int], object]
) -> Found:
    """Find documents by the marker in their events' titles: up to ten calls.

    Args:
        log: The log.
        mark: What to look for.
        since: How far to go back.
        heartbeat: Told after each call how many deliveries were read.

    Raises:
        ProviderError: The log could not be read.
    """
    document_ids: set[str] = set()
    read, is_all = 0, False
    async for page in pages(log, since=since, at_most=_PAGES):
        read, is_all = read + len(page), is_last(page, since)
        heartbeat(read)
        document_ids |= {found.document_id for found in marked(page) if found.marker == mark}
    return Found(tuple(sorted(document_ids)), read, is_all)


async def pages(
    log: Subscription, *, since: datetime, at_most: int
) -> AsyncIterator[tuple[WebhookDelivery, ...]]:
    """Read the log, newest first: one call a page, at most so many.

    Raises:
        ProviderError: The log could not be read.
    """
    event_type: str | None = _SENT
    offset = 0
    for _ in range(at_most):
        page = (await log.deliveries(limit=_PAGE, offset=offset, event_type=event_type)).results
        if not page and event_type and not offset:
            event_type = None
            continue
        offset += len(page)
        yield page
        if is_last(page, since):
            return


def is_last(page: tuple[WebhookDelivery, ...], since: datetime) -> bool:
    """Tell whether older pages hold nothing that is newer than a time."""
    return len(page) < _PAGE or _is_before(page[-1], since)


def marked(page: tuple[WebhookDelivery, ...]) -> set[MarkedDocument]:
    """Find the documents that carry a marker; whose it is, is not checked."""
    return {found for each in page if (found := _marked(each.payload))}


def _marked(payload: Any) -> MarkedDocument | None:
    data = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    title, document_id = data.get("title"), data.get("document_id")
    if isinstance(title, str) and isinstance(document_id, str) and (marker := find_marker(title)):
        return MarkedDocument(document_id, marker)
    return None


def _is_before(delivery: WebhookDelivery, since: datetime) -> bool:
    try:
        created = datetime.fromisoformat(delivery.created_on or "")
    except ValueError:
        return False
    return (created if created.tzinfo else created.replace(tzinfo=UTC)) < since
