"""Find marked documents and their events in the provider's log of webhook deliveries.

Every document has one `sent` event, so those are enough to find documents. Where there is none at all (they
are not subscribed, or the filter misbehaves, as others of this log do), any event will do.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from countersign.agreements.reference import find_marker
from countersign.providers.port import MarkedDocument, MarkedEvent
from countersign.providers.turbodocx.models import WebhookDelivery
from countersign.providers.turbodocx.subscription import WebhookCalls

SENT: Final = "signature.document.sent"
_PAGE: Final = 100


async def pages(
    log: WebhookCalls, *, since: datetime, at_most: int, event_type: str | None = SENT
) -> AsyncIterator[tuple[WebhookDelivery, ...]]:
    """Read the log, newest first, with one call per page.

    Args:
        log: The log.
        since: How far to go back.
        at_most: How many calls to make.
        event_type: The events to read; None for all.

    Raises:
        ProviderError: The log could not be read.
    """
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
    """Return whether older pages hold nothing newer than a time."""
    return len(page) < _PAGE or _is_before(page[-1], since)


def marked(page: tuple[WebhookDelivery, ...]) -> set[MarkedDocument]:
    """Find the documents that carry any marker; the environment is not checked."""
    return {found for entry in page if (found := _marked(entry.payload))}


def marked_events(page: tuple[WebhookDelivery, ...]) -> list[MarkedEvent]:
    """List the events of marked documents, once per address that they were delivered to."""
    return [found for entry in page if (found := _event(entry.payload))]


def _event(payload: Any) -> MarkedEvent | None:
    about = _marked(payload)
    if about is None:
        return None
    event_id, kind, at = payload.get("event_id"), payload.get("event"), time_of(payload.get("created_at"))
    if not isinstance(event_id, str) or not isinstance(kind, str) or at is None:
        return None
    return MarkedEvent(event_id, kind.rpartition(".")[2], at, about)


def _marked(payload: Any) -> MarkedDocument | None:
    data = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    title, document_id = data.get("title"), data.get("document_id")
    if isinstance(title, str) and isinstance(document_id, str) and (marker := find_marker(title)):
        return MarkedDocument(document_id, marker)
    return None


def _is_before(delivery: WebhookDelivery, since: datetime) -> bool:
    created = time_of(delivery.created_on)
    return created is not None and created < since


def time_of(text: Any) -> datetime | None:
    """Return a time of the log; None if it is none."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
