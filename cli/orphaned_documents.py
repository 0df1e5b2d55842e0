"""Find documents at the provider that carry our marker, and that no agreement looks after."""

import json
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client

from countersign.agreements.messages import Outcome
from countersign.agreements.reference import Marker
from countersign.client.connections import shared_client
from countersign.client.listing import ListedAgreement, list_agreements
from countersign.client.provider import explained_by_provider, open_client
from countersign.client.settings import load_settings
from countersign.providers.turbodocx.delivery_log import MarkedDocument
from countersign.settings import CountersignSettings
from countersign.storage import Store, open_store
from countersign.storage.store import StoreKeys

from .late_events import LateEvent, how_ended, late_events
from .our_deliveries import our_deliveries

_AGREEMENTS: Final = 100_000
_OVER: Final = frozenset({"voided", "expired"})


class OrphanedDocument(BaseModel):
    """A document that no agreement knows.

    Args:
        reference: The reference in its marker.
        document_id: The provider's id.
        status: Its status at the provider.
        why: What is known about its agreement.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    document_id: str
    status: str
    why: str


class Orphans(BaseModel):
    """The documents that no agreement knows.

    Args:
        documents: Documents at the provider.
        late_events: Events that happened when their agreement had ended.
        notes: What is missing from the search, one sentence each.
    """

    model_config = ConfigDict(frozen=True)

    documents: tuple[OrphanedDocument, ...]
    late_events: tuple[LateEvent, ...]
    notes: tuple[str, ...]


async def find_orphans(*, since: datetime, client: Client | None = None) -> Orphans:
    """Read the provider's delivery log for marked documents, and ask Temporal for their agreements.

    Changes nothing. Voided and expired documents are left out. If the log cannot be read, the documents that
    Temporal knows are checked instead.

    Args:
        since: How far to go back.
        client: A connection to Temporal to use.

    Raises:
        BadInputError: A setting is missing, or the provider rejects the key.
        UnreachableError: Temporal or the provider does not respond.
    """
    own = load_settings(CountersignSettings)
    client = client or await shared_client()
    keys, store = StoreKeys(own.environment, client.namespace), open_store(own.store)
    async with open_client() as provider, explained_by_provider():
        deliveries = await our_deliveries(provider.webhooks, keys, since)
        agreements = await _agreements(client)
        candidates = deliveries.documents
        if candidates is None:
            candidates = _known_to_temporal(agreements)
        orphans = []
        for document in sorted(candidates, key=lambda found: (found.marker.reference, found.document_id)):
            agreement = agreements.get(document.marker.reference.lower())
            why = why_orphaned(document.document_id, agreement)
            if why is None or (agreement is None and await _is_archived(document, store, keys)):
                continue
            status = (await provider.document_status(document.document_id)).status
            if status not in _OVER:
                orphans.append(_orphan(document, status, why))
    return Orphans(
        documents=tuple(orphans),
        late_events=late_events(deliveries.events, agreements),
        notes=deliveries.notes,
    )


def _orphan(document: MarkedDocument, status: str, why: str) -> OrphanedDocument:
    return OrphanedDocument(
        reference=document.marker.reference, document_id=document.document_id, status=status, why=why
    )


def why_orphaned(document_id: str, agreement: ListedAgreement | None) -> str | None:
    """Return why no agreement knows a document; None if one does, or may still find it.

    Args:
        document_id: The document.
        agreement: The agreement that its marker names, as Temporal knows it.
    """
    if agreement is None:
        return "Temporal knows no such agreement"
    if agreement.document_id != document_id:
        if agreement.document_id is None and agreement.ended_at is None:
            return None
        return f"the agreement's document is {agreement.document_id or 'none'}"
    if agreement.ended_at is None or agreement.stage == Outcome.COMPLETED:
        return None
    return f"the agreement {how_ended(agreement)}"


def _known_to_temporal(agreements: dict[str, ListedAgreement]) -> frozenset[MarkedDocument]:
    """List the documents of agreements that have ended; their tags are not known, and not needed."""
    return frozenset(
        MarkedDocument(agreement.document_id, Marker(agreement.reference, ""))
        for agreement in agreements.values()
        if agreement.document_id is not None and agreement.ended_at is not None
    )


async def _agreements(client: Client) -> dict[str, ListedAgreement]:
    """Index all agreements that Temporal remembers; of several runs the last one counts."""
    found = await list_agreements(ended=True, limit=_AGREEMENTS, client=client)
    return {item.reference: item for item in found}


async def _is_archived(document: MarkedDocument, store: Store, keys: StoreKeys) -> bool:
    """Return whether an agreement that Temporal has forgotten archived it."""
    key = keys.timeline(document.marker.reference)
    if await store.find(key) is None:
        return False
    return bool(json.loads(await store.read(key))["document_id"] == document.document_id)
