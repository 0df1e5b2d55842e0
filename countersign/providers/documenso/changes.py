"""Find the open documents that have ended. Documenso has no log of events, and no search by a time.

It can list the envelopes that are out for signature, a hundred in one call. An open document that is not
among them has ended, or lies in a folder, which the list leaves out: it is read, twenty in one call.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.reference import find_marker
from countersign.providers.documenso.client import MANY, DocumensoClient
from countersign.providers.documenso.models import Envelope, Recipient
from countersign.providers.port import Change, Changes, Heartbeat

_PAGES: Final = 1000
_ENDS: Final = {
    "COMPLETED": EventKind.COMPLETED,
    "REJECTED": EventKind.DECLINED,
    "CANCELLED": EventKind.VOIDED,
}


async def changes(
    client: DocumensoClient, account: str, documents: frozenset[str], *, heartbeat: Heartbeat
) -> Changes:
    """Find which documents have ended: one call for a hundred that are out for signature.

    Args:
        client: Calls the provider.
        account: The account's name, for the events.
        documents: The open documents.
        heartbeat: Called after every call.

    Raises:
        ProviderError: They could not be read now.
    """
    if not documents:
        return Changes(position={}, calls=0)
    pending: set[str] = set()
    calls, pages = 0, 1.0
    while calls < min(pages, _PAGES):
        calls += 1
        page = await client.find(status="PENDING", page=calls)
        pages = page.total_pages
        pending |= {row.id for row in page.data if not is_expired(row.recipients)}
        heartbeat(calls)
    found: list[Change] = []
    unlisted = sorted(documents - pending)
    for first in range(0, len(unlisted), MANY):
        calls, ids = calls + 1, unlisted[first : first + MANY]
        read = {envelope.id: envelope for envelope in await client.envelopes(ids)}
        found += [change for id_ in ids if (change := _change(account, id_, read.get(id_)))]
        heartbeat(calls)
    return Changes(found=tuple(found), position={}, calls=calls)


def is_expired(recipients: Iterable[Recipient]) -> bool:
    """Return whether no open recipient can sign any more: the provider has no status for it."""
    waiting = [entry for entry in recipients if entry.signs() and entry.signing_status == "NOT_SIGNED"]
    now = datetime.now(UTC)
    return bool(waiting) and all(entry.expires_at is not None and entry.expires_at < now for entry in waiting)


def _change(account: str, document_id: str, envelope: Envelope | None) -> Change | None:
    """Make the event of a document's end; a document that is not found was deleted."""
    kind = EventKind.VOIDED if envelope is None else _ENDS.get(envelope.status)
    if envelope is not None and envelope.status == "PENDING" and is_expired(envelope.recipients):
        kind = EventKind.EXPIRED
    if kind is None:
        return None
    event = SignatureEvent(
        event_id=f"{document_id}-{kind}", kind=kind, provider=account, document_id=document_id
    )
    return Change(event, find_marker(envelope.external_id or "") if envelope else None)
