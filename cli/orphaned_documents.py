"""Find documents at the provider that carry our marker, and that no agreement looks after."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client

from countersign.agreements.messages import Outcome
from countersign.agreements.reference import Marker, matches_environment
from countersign.client.connections import shared_client
from countersign.client.listing import ListedAgreement, list_agreements
from countersign.client.provider import find_account, open_provider
from countersign.client.settings import load_settings
from countersign.providers.port import MarkedDocument
from countersign.settings import CountersignSettings
from countersign.storage import Store, open_store
from countersign.storage.store import StoreKeys

from .late_events import LateEvent, how_ended, late_events

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


async def find_orphans(
    *, since: datetime, account: str | None = None, client: Client | None = None
) -> Orphans:
    """Search an account for marked documents, and ask Temporal for their agreements.

    Changes nothing. Voided and expired documents are left out. If the key may not search, the documents that
    Temporal knows are checked instead.

    Args:
        since: How far to go back.
        account: The account; by default the first one.
        client: A connection to Temporal to use.

    Raises:
        BadInputError: A setting is missing, or the provider rejects the key.
        UnreachableError: Temporal or the provider does not respond.
    """
    own = load_settings(CountersignSettings)
    client = client or await shared_client()
    keys, store = StoreKeys(own.environment, client.namespace), open_store(own.store)
    searched = find_account(account)
    async with open_provider(searched) as provider:
        found = await provider.marked_documents(since)
        agreements = await _agreements(client, searched.name)
        candidates = _ours(found.documents, keys) if found.documents is not None else None
        if candidates is None:
            candidates = _known_to_temporal(agreements)
        orphans = []
        for document in sorted(candidates, key=lambda entry: (entry.marker.reference, entry.document_id)):
            agreement = agreements.get(document.marker.reference.lower())
            why = why_orphaned(document.document_id, agreement)
            if why is None or (agreement is None and await _is_archived(document, store, keys)):
                continue
            status = (await provider.document(document.document_id)).status
            if status not in _OVER:
                orphans.append(_orphan(document, status, why))
    events = [event for event in found.events if _is_ours(event.about, keys)]
    return Orphans(documents=tuple(orphans), late_events=late_events(events, agreements), notes=found.notes)


def _ours(documents: Iterable[MarkedDocument], keys: StoreKeys) -> frozenset[MarkedDocument]:
    return frozenset(document for document in documents if _is_ours(document, keys))


def _is_ours(document: MarkedDocument, keys: StoreKeys) -> bool:
    return matches_environment(document.marker, environment=keys.environment, namespace=keys.namespace)


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


async def _agreements(client: Client, account: str) -> dict[str, ListedAgreement]:
    """Index all agreements of an account that Temporal remembers; of several runs the last one counts."""
    found = await list_agreements(account=account, ended=True, limit=_AGREEMENTS, client=client)
    return {item.reference: item for item in found}


async def _is_archived(document: MarkedDocument, store: Store, keys: StoreKeys) -> bool:
    """Return whether an agreement that Temporal has forgotten archived it."""
    key = keys.timeline(document.marker.reference)
    if await store.find(key) is None:
        return False
    return bool(json.loads(await store.read(key))["document_id"] == document.document_id)
