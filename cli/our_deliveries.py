"""Read the provider's delivery log once for marked documents, or explain why it cannot be read."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from countersign.agreements.reference import matches_environment
from countersign.providers.errors import RejectedError, is_about_key
from countersign.providers.turbodocx.delivery_log import (
    MarkedDocument,
    MarkedEvent,
    is_last,
    marked,
    marked_events,
    pages,
)
from countersign.providers.turbodocx.subscription import Subscription
from countersign.storage.store import StoreKeys

PAGES: Final = 1000


@dataclass(frozen=True, slots=True)
class OurDeliveries:
    """What the log holds of our documents.

    Args:
        documents: Those that it names; None if it cannot be read.
        events: Their events, once per delivery.
        notes: What is missing from the search, one sentence each.
    """

    documents: frozenset[MarkedDocument] | None
    events: tuple[MarkedEvent, ...] = ()
    notes: tuple[str, ...] = ()


async def our_deliveries(log: Subscription, keys: StoreKeys, since: datetime) -> OurDeliveries:
    """Read the log back to a time: one call for a hundred deliveries.

    Raises:
        ProviderError: The provider does not respond, or rejects the key.
    """
    documents: set[MarkedDocument] = set()
    events: list[MarkedEvent] = []
    read, is_all = 0, True
    try:
        async for page in pages(log, since=since, at_most=PAGES, event_type=None):
            read, is_all = read + len(page), is_last(page, since)
            documents |= {document for document in marked(page) if _matches_environment(document, keys)}
            events += [
                event
                for event in marked_events(page)
                if _matches_environment(event.about, keys) and event.at >= since
            ]
    except RejectedError as error:
        if is_about_key(error):
            raise
        return OurDeliveries(None, notes=(_refused(error),))
    notes = () if is_all else (f"only the newest {read:,} deliveries read; name fewer --days to see all",)
    return OurDeliveries(frozenset(documents), tuple(events), notes)


def _matches_environment(document: MarkedDocument, keys: StoreKeys) -> bool:
    return matches_environment(document.marker, environment=keys.environment, namespace=keys.namespace)


def _refused(error: RejectedError) -> str:
    if error.status == HTTPStatus.NOT_FOUND:
        log = "without a delivery log, because no webhook subscription exists"
    else:
        log = f"without the provider's delivery log, which this key may not read ({error.status})"
    return f"{log}: only documents that Temporal knows are checked, and no late events"
