"""Documenso behind the port: draft, then distribute, so that the one irreversible step can be checked."""

import io
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from countersign.agreements.messages import Sender, Signer, Source
from countersign.agreements.reference import Marker, find_marker
from countersign.providers import port
from countersign.providers.api_parts import transport_of
from countersign.providers.calls import Limits
from countersign.providers.documenso.capabilities import CAPABILITIES
from countersign.providers.documenso.changes import changes, is_expired
from countersign.providers.documenso.client import DocumensoClient
from countersign.providers.documenso.error_bodies import explain
from countersign.providers.documenso.models import Envelope, Recipient, Row
from countersign.providers.documenso.requests import draft_parts, external_id
from countersign.providers.documenso.settings import DocumensoSettings
from countersign.providers.errors import (
    ContractBrokenError,
    NotReadyError,
    NotSentError,
    OutcomeUnknownError,
    ProviderError,
    RejectedError,
    UnavailableError,
)
from countersign.providers.port import (
    Document,
    Evidence,
    Heartbeat,
    OpenDocuments,
    SearchResult,
    SendOrder,
    Sink,
)
from countersign.providers.transport import Gate
from countersign.secrets.rotation import Rotating
from countersign.settings.provider import ProviderSettings

_DRAFT: Final = "DRAFT"
_STATUSES: Final = {
    _DRAFT: "draft",
    "PENDING": "pending",
    "COMPLETED": "completed",
    "REJECTED": "declined",
    "CANCELLED": "voided",
}
_SEARCH_PAGES: Final = 10
_ALL_PAGES: Final = 1000
_FILE_LIMIT: Final = 50 * 1024**2
"""Bytes of a certificate, or of a further file."""


class Documenso:
    """An account of Documenso.

    Args:
        client: Calls the provider.
        app_url: Where people sign.
        prefix: The prefix of the account's settings.
        name: The account's name.
    """

    capabilities: Final = CAPABILITIES
    sender: Final[Sender | None] = None
    webhooks: Final = None

    def __init__(
        self,
        client: DocumensoClient,
        app_url: str,
        prefix: str = DocumensoSettings.prefix,
        name: str = "documenso",
    ) -> None:
        self.client = client
        self._app_url = app_url
        self._prefix = prefix
        self._name = name
        self._own_users: set[int] = set()

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()

    async def probe(self) -> None:
        """List one envelope."""
        await self.client.probe()

    def advice(self, status: int) -> str:
        """Return what to do about a key that was refused."""
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return "a quota of the provider's plan is used up: raise it, or wait for its renewal"
        return f"the provider rejects the API token: check {self._prefix}API_KEY and when it expires"

    async def source_problems(self, source: Source, signers: tuple[Signer, ...]) -> list[str]:  # noqa: ARG002  # the port's signature
        """Return nothing: only files are sent, and no template is asked for."""
        return []

    # The send, and what is left of it

    async def send(self, order: SendOrder, *, idempotency_key: str) -> port.SentDocument:
        """Create a draft unless an earlier attempt has, distribute it, and read it back: up to five calls.

        A draft notifies no person, so whatever fails before `distribute` counts as not sent.
        """
        del idempotency_key  # the API takes none: the external id finds what was made
        form, file = draft_parts(order)
        with _harmless():
            envelope = await self._made_before(order)
            if envelope is None:
                private = tuple(text for signer in order.signers for text in (signer.name, signer.email))
                created = await self.client.create_draft(form, file, private=(order.title, *private))
                envelope = await self.client.envelope(created)
                self._learn(envelope.user_id)
        if envelope.status == _DRAFT:
            envelope = await self._distribute(envelope.id)
        return port.SentDocument(envelope.id, _signers(envelope))

    async def _made_before(self, order: SendOrder) -> Envelope | None:
        """Find what earlier attempts sent or drafted; of several drafts, keep the oldest.

        Others can make envelopes with the same external id: one of another user, or that differs from the
        order, is left alone.
        """
        rows = [row async for row in self._marked(order.marker) if self._is_own(row)]
        rows.sort(key=lambda row: (row.status == _DRAFT, row.created_at))
        found: Envelope | None = None
        for row in rows:
            envelope = await self.client.envelope(row.id)
            if not _fits(envelope, order):
                continue
            if found is None:
                found = envelope
            elif envelope.status == _DRAFT:
                await self.client.delete(envelope.id)
        return found

    async def _distribute(self, envelope_id: str) -> Envelope:
        """Distribute a draft; a lost or failed response is made up for by reading the envelope.

        Some errors that will never heal are a 500 here, so the envelope's status decides, not the response's.
        """
        failure: OutcomeUnknownError | None = None
        try:
            await self.client.distribute(envelope_id)
        except OutcomeUnknownError as error:
            failure = error
        try:
            envelope = await self.client.envelope(envelope_id)
        except ProviderError:
            envelope = None
        if envelope is None or envelope.status == _DRAFT:
            raise failure or OutcomeUnknownError(
                "distribute: not confirmed: outcome unknown", operation="distribute"
            )
        return envelope

    async def search(self, marker: Marker, *, since: datetime, heartbeat: Heartbeat) -> SearchResult:
        """Search for the external id: it is conclusive unless a person moves the envelope to a folder."""
        del since  # the tag is of this agreement alone
        rows, pages = [], 0
        async for row in self._marked(marker):
            heartbeat(pages := pages + 1)
            rows.append(row)
        sent = sorted(row.id for row in rows if row.status != _DRAFT)
        drafts = len(rows) - len(sent)
        return SearchResult(tuple(sent), f"search by external id: {len(sent)} sent, {drafts} drafts", True)

    async def _marked(self, marker: Marker) -> AsyncIterator[Row]:
        """Yield the envelopes with exactly this external id; the query matches more."""
        text = str(marker)
        async for row in self._rows(text, _SEARCH_PAGES):
            if row.external_id == text:
                yield row

    def _is_own(self, row: Row) -> bool:
        if row.proves_own:
            self._learn(row.user_id)
        return row.user_id in self._own_users or row.is_own

    def _learn(self, user_id: int | None) -> None:
        """Remember a user whose tokens the account has had: the API names a token's user nowhere."""
        if user_id is not None:
            self._own_users.add(user_id)

    async def _is_own_envelope(self, envelope: Envelope) -> bool:
        """Return whether a user of the account's tokens made an envelope: no call, or a search.

        An envelope that a search does not show, because a person moved it to a folder, counts as another's.
        """
        if envelope.user_id in self._own_users:
            return True
        rows = [row async for row in self._rows(envelope.external_id, 1) if row.id == envelope.id]
        return any(self._is_own(row) for row in rows)

    async def _rows(self, query: str | None, at_most: int) -> AsyncIterator[Row]:
        for number in range(1, at_most + 1):
            page = await self.client.find(query, page=number)
            for row in page.data:
                yield row
            if number >= page.total_pages:
                return

    async def marked_documents(self, since: datetime) -> port.MarkedDocuments:
        """Page through the root folder's envelopes, newest first."""
        found: set[port.MarkedDocument] = set()
        async for row in self._rows(None, _ALL_PAGES):
            if row.created_at < since:
                break
            if row.status != _DRAFT and (marker := find_marker(row.external_id or "")):
                found.add(port.MarkedDocument(row.id, marker))
        note = "the provider keeps no log of events, and documents in folders are not searched"
        return port.MarkedDocuments(frozenset(found), notes=(note,))

    async def changes(
        self,
        position: Mapping[str, str],
        *,
        settle: timedelta,
        open_documents: OpenDocuments,
        heartbeat: Heartbeat,
    ) -> port.Changes:
        """Find which open documents have ended; see `changes.py`. Views and signatures are not found."""
        del position, settle  # there is no log
        return await changes(self.client, self._name, await open_documents(), heartbeat=heartbeat)

    async def document(self, document_id: str) -> Document:
        """Read an envelope: one call, and a search until the token's user is known."""
        envelope = await self.client.envelope(document_id)
        return Document(
            id=envelope.id,
            status=_status(envelope),
            marker=find_marker(envelope.external_id or ""),
            title=envelope.title,
            recipients=_signers(envelope),
            created_at=envelope.created_at,
            is_own=await self._is_own_envelope(envelope),
        )

    async def void(self, document_id: str, reason: str, *, idempotency_key: str) -> None:
        """Cancel an envelope, or delete a draft: two calls.

        Raises:
            RejectedError: It has ended, or all have signed it and it is being sealed: the provider would
                cancel that.
        """
        del idempotency_key
        envelope = await self.client.envelope(document_id)
        if envelope.status == _DRAFT:
            await self.client.delete(document_id)
        elif envelope.status == "PENDING" and any(_waiting(envelope)):
            await self.client.cancel(document_id, reason)
        elif _STATUSES.get(envelope.status) != "voided":
            raise RejectedError(
                "cancel: all have signed, or it has ended", operation="cancel", status=HTTPStatus.CONFLICT
            )

    async def remind(self, document_id: str, *, idempotency_key: str) -> None:
        """Send the invitation again to those whose turn it is: two calls."""
        del idempotency_key
        envelope = await self.client.envelope(document_id)
        if due := tuple(_due(envelope)):
            await self.client.redistribute(document_id, due)

    async def signing_link(
        self,
        document_id: str,
        recipient_id: str,
        *,
        return_url: str | None = None,
        assertion: port.IdentityAssertion | None = None,
    ) -> port.SigningLink:
        """Build the recipient's link from their token: one call. It is the same link every time."""
        del return_url, assertion  # the capabilities exclude them
        recipient = await self.client.signing_recipient(document_id, recipient_id)
        token = quote(recipient.token.get_secret_value(), safe="")
        return port.SigningLink(
            url=f"{self._app_url}/sign/{token}",
            embed_url=f"{self._app_url}/embed/sign/{token}",
            expires_at=recipient.expires_at,
        )

    # The archive

    async def signed_pdf(self, document_id: str, into: Sink, *, max_bytes: int, heartbeat: Heartbeat) -> None:
        """Download the first file: one call and the download.

        The provider serves the unsigned file while the envelope is not completed, with the same status.
        """
        envelope = await self._completed(document_id)
        first = envelope.files()[0]
        await self.client.download_item(first.id, into, max_bytes=max_bytes, heartbeat=heartbeat)

    async def _completed(self, document_id: str) -> Envelope:
        envelope = await self.client.envelope(document_id)
        if envelope.status != "COMPLETED" or not envelope.envelope_items:
            raise NotReadyError("download_item: not completed yet", operation="download_item")
        return envelope

    async def audit_trail(self, document_id: str) -> Mapping[str, object]:
        """Read the whole audit log: one call for a hundred entries."""
        entries: list[Any] = []
        for number in range(1, _ALL_PAGES + 1):
            page = await self.client.audit_log(document_id, page=number)
            entries += page["data"]
            if number >= float(page.get("totalPages") or 1):
                break
        return {"envelopeId": document_id, "auditLog": entries}

    async def attachments(self, document_id: str, *, heartbeat: Heartbeat) -> tuple[Evidence, ...]:
        """Download the certificate, and the signed files after the first."""
        envelope = await self._completed(document_id)
        certificate = io.BytesIO()
        await self.client.download_certificate(
            document_id, certificate, max_bytes=_FILE_LIMIT, heartbeat=heartbeat
        )
        found = [Evidence("certificate.pdf", certificate.getvalue())]
        for number, item in enumerate(envelope.files()[1:], start=2):
            content = io.BytesIO()
            await self.client.download_item(item.id, content, max_bytes=_FILE_LIMIT, heartbeat=heartbeat)
            found.append(Evidence(f"signed-{number}.pdf", content.getvalue()))
        return tuple(found)


def connect(
    name: str,
    settings: Rotating[DocumensoSettings],
    options: ProviderSettings,
    *,
    gate: Gate | None = None,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> Documenso:
    """Open an account; nothing is sent yet. Close it after use.

    Args:
        name: The account's name, for logs and metrics.
        settings: Key and base URL.
        options: Proxy and time scale.
        gate: The circuit that its calls pass; none if not given.
        limits: Time limits; by default those of the options' time scale.
        tls: TLS settings other than the default.
    """
    current = settings.current
    transport = transport_of(
        name,
        settings,
        options,
        headers=headers,
        explain=explain,
        path="/api/v2",
        gate=gate,
        limits=limits,
        tls=tls,
        throttling_names_a_wait=True,
    )
    return Documenso(DocumensoClient(transport), current.base_url, current.prefix, name)


def headers(settings: DocumensoSettings) -> Mapping[str, str]:
    """Write a key as the provider expects it."""
    return {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}


@contextmanager
def _harmless() -> Iterator[None]:
    """Turn failures before the irreversible step into `NotSentError`: the next attempt finds the draft."""
    try:
        yield
    except (ContractBrokenError, OutcomeUnknownError, UnavailableError) as error:
        retry_after = error.retry_after if isinstance(error, UnavailableError) else None
        raise NotSentError(
            f"nothing was sent: {error}", operation=error.operation, retry_after=retry_after
        ) from None


def _fits(envelope: Envelope, order: SendOrder) -> bool:
    """Return whether an envelope is of this order, as the provider shows it: title, people, external id."""
    people = sorted(recipient.email.lower() for recipient in envelope.recipients)
    wanted = sorted([*(signer.email.lower() for signer in order.signers), *map(str.lower, order.cc)])
    titles = [" ".join(title.split()) for title in (envelope.title, order.title)]
    return (titles[0], people, envelope.external_id) == (titles[1], wanted, external_id(order))


def _status(envelope: Envelope) -> str:
    if envelope.status == "PENDING" and is_expired(envelope.recipients):
        return "expired"
    return _STATUSES.get(envelope.status, envelope.status.lower())


def _waiting(envelope: Envelope) -> Iterator[Recipient]:
    """Yield those who can still sign."""
    for entry in envelope.recipients:
        if entry.signs() and entry.signing_status == "NOT_SIGNED":
            yield entry


def _due(envelope: Envelope) -> Iterator[int]:
    """Yield the recipients whose turn it is: the first of a sequence that has not signed, or all of them."""
    waiting = {entry.id for entry in _waiting(envelope)}
    due = [entry.id for entry in envelope.in_turn() if entry.id in waiting]
    yield from due[:1] if envelope.is_sequential() else due


def _signers(envelope: Envelope) -> tuple[port.Recipient, ...]:
    order = {entry.id: place for place, entry in enumerate(envelope.in_turn(), start=1)}
    return tuple(
        _signer(entry, order[entry.id] if envelope.is_sequential() else 1)
        for entry in envelope.recipients
        if entry.signs()
    )


def _signer(entry: Recipient, order: int) -> port.Recipient:
    signed = entry.signing_status == "SIGNED"
    return port.Recipient(
        id=str(entry.id),
        email=entry.email,
        viewed_at="" if signed or entry.read_status == "OPENED" else None,
        signed_at=(entry.signed_at or "") if signed else None,
        declined=(entry.rejection_reason or "") if entry.signing_status == "REJECTED" else None,
        order=order,
    )
