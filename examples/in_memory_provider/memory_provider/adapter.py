"""The provider behind Countersign's port."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from countersign.agreements.messages import Signer, Source
from countersign.agreements.reference import Marker
from countersign.providers.errors import NotReadyError, RejectedError
from countersign.providers.port import (
    Changes,
    Document,
    Evidence,
    File,
    Heartbeat,
    MarkedDocument,
    MarkedDocuments,
    OpenDocuments,
    Recipient,
    SearchResult,
    SendOrder,
    SentDocument,
    SigningLink,
    Sink,
)
from countersign.secrets.rotation import Rotating
from memory_provider.capabilities import CAPABILITIES
from memory_provider.settings import MemorySettings


@dataclass
class Stored:
    """A document that the provider holds."""

    order: SendOrder
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: str = "pending"
    signed: dict[str, str] = field(default_factory=dict)


DOCUMENTS: Final[dict[str, Stored]] = {}
"""The provider's documents, by id; a real provider keeps them elsewhere."""


def sign_all(document_id: str) -> None:
    """Sign a document as all of its signers."""
    stored = DOCUMENTS[document_id]
    stored.signed = {signer.email: datetime.now(UTC).isoformat() for signer in stored.order.signers}
    stored.status = "completed"


class Memory:
    """An account of the provider."""

    capabilities: Final = CAPABILITIES
    sender: Final = None
    webhooks: Final = None

    async def close(self) -> None:
        """Close nothing."""

    async def probe(self) -> None:
        """Respond."""

    def advice(self, status: int) -> str:
        """Return what to do about a refused key."""
        return f"the provider rejects the key ({status}): check MEMORY_API_KEY"

    async def source_problems(self, source: Source, signers: tuple[Signer, ...]) -> list[str]:
        """Return nothing: the provider has no templates."""
        del source, signers
        return []

    async def send(self, order: SendOrder, *, idempotency_key: str) -> SentDocument:
        """Take the document; the same key is the same document."""
        DOCUMENTS.setdefault(idempotency_key, Stored(order))
        return SentDocument(idempotency_key, (await self.document(idempotency_key)).recipients)

    async def document(self, document_id: str) -> Document:
        """Read a document."""
        stored = _find(document_id)
        recipients = tuple(
            Recipient(id=signer.email, email=signer.email, signed_at=stored.signed.get(signer.email))
            for signer in stored.order.signers
        )
        return Document(
            id=document_id,
            status=stored.status,
            marker=stored.order.marker,
            title=stored.order.title,
            recipients=recipients,
            created_at=stored.created_at,
        )

    async def search(self, marker: Marker, *, since: datetime, heartbeat: Heartbeat) -> SearchResult:
        """Find documents by their marker."""
        del since
        heartbeat(len(DOCUMENTS))
        found = tuple(name for name, stored in DOCUMENTS.items() if stored.order.marker == marker)
        return SearchResult(found, f"{len(DOCUMENTS)} documents read", is_conclusive=True)

    async def marked_documents(self, since: datetime) -> MarkedDocuments:
        """List all documents."""
        found = {MarkedDocument(name, item.order.marker) for name, item in DOCUMENTS.items()}
        return MarkedDocuments(
            frozenset(item for item in found if _find(item.document_id).created_at >= since)
        )

    async def changes(
        self,
        position: Mapping[str, str],
        *,
        settle: timedelta,
        open_documents: OpenDocuments,
        heartbeat: Heartbeat,
    ) -> Changes:
        """Keep no record of changes: agreements check by themselves."""
        del settle, open_documents
        heartbeat(0)
        return Changes(position=position, calls=0, blind="the provider records no changes")

    async def void(self, document_id: str, reason: str, *, idempotency_key: str) -> None:
        """Void a document that has not ended."""
        del reason, idempotency_key
        stored = _find(document_id)
        if stored.status == "completed":
            raise RejectedError("void: it is completed", operation="void", status=409)
        stored.status = "voided"

    async def remind(self, document_id: str, *, idempotency_key: str) -> None:
        """Remind no person: there are none."""
        del idempotency_key
        _find(document_id)

    async def signing_link(self, document_id: str, recipient_id: str, **_more: Any) -> SigningLink:
        """Refuse: the capabilities have no signing links, so nothing calls it."""
        del document_id, recipient_id
        raise RejectedError("signing_link: there are none", operation="signing_link", status=501)

    async def signed_pdf(self, document_id: str, into: Sink, *, max_bytes: int, heartbeat: Heartbeat) -> None:
        """Write the file, once it is signed."""
        del max_bytes, heartbeat
        stored = _find(document_id)
        if stored.status != "completed" or not isinstance(stored.order.source, File):
            raise NotReadyError("signed_pdf: not completed yet", operation="signed_pdf")
        into.write(stored.order.source.content)

    async def audit_trail(self, document_id: str) -> Mapping[str, object]:
        """Return who signed when."""
        return {"signed": _find(document_id).signed}

    async def attachments(self, document_id: str, *, heartbeat: Heartbeat) -> tuple[Evidence, ...]:
        """Return nothing more."""
        del heartbeat  # nothing is read
        _find(document_id)
        return ()


def _find(document_id: str) -> Stored:
    if document_id not in DOCUMENTS:
        raise RejectedError("document: unknown", operation="document", status=404)
    return DOCUMENTS[document_id]


def connect(name: str, settings: Rotating[MemorySettings], *_options: Any, **_more: Any) -> Memory:
    """Open an account."""
    del name, settings
    return Memory()
