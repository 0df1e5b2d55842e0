"""Activities that send a document, and check, void and remind afterwards."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.documents import DocumentActivities
from activities.identity import differences
from activities.requests import (
    Checked,
    CheckRequest,
    GenerateRequest,
    IdentifyRequest,
    Identity,
    Reminded,
    RemindRequest,
    SearchRequest,
    SearchResult,
    SendableSource,
    SendRequest,
    Sent,
    VoidDocumentRequest,
)
from countersign.agreements.failures import (
    NOT_BEGUN,
    NOT_OURS,
    NOT_SENT,
    SOURCE_UNUSABLE,
    UNAUTHORIZED,
)
from countersign.agreements.messages import (
    DeliverableSource,
    FileSource,
    LinkSource,
    Observation,
    RecipientProgress,
    RolesSource,
    SignatureField,
    Signer,
    TemplateSource,
)
from countersign.agreements.reference import idempotency_key
from countersign.documents import PageSize, UnusableFileError, default_fields, inspect, misplaced
from countersign.isolation import IsolatedCallError, run_isolated
from countersign.providers.errors import OutcomeUnknownError, RejectedError, UnauthorizedError
from countersign.providers.port import (
    File,
    FileLink,
    ProviderDocument,
    Recipient,
    SendOrder,
    SignatureProvider,
)
from countersign.providers.retry_table import final, provider_errors
from countersign.storage import Fence, StorageError, Store, put
from countersign.storage.store import StoreKeys


async def observe(provider: SignatureProvider, document_id: str) -> Observation:
    """Get a document's state and who has signed: one call.

    Raises:
        ProviderError: The call failed.
    """
    found = await provider.document(document_id)
    return Observation(
        status=found.status,
        recipients=tuple(
            RecipientProgress(
                recipient_id=recipient.id,
                viewed_at=recipient.viewed_at,
                signed_at=recipient.signed_at,
                declined=recipient.declined,
            )
            for recipient in found.recipients
        ),
        at=datetime.now(UTC),
    )


READ_LIMIT_SECONDS: Final = 20.0
"""How long reading the file's pages may take: the send's attempt has 150 s, and the provider's call 120 s."""
_RECORD_SECONDS: Final = 5.0
"""How long recording a document may take, for the same reason."""


async def send_order(request: SendRequest, store: Store) -> SendOrder:
    """Build the order of one send.

    Args:
        request: The agreement; its document exists.
        store: Holds the file to send.

    Raises:
        ApplicationError: `SourceUnusable`, the file is not the one that was put there, or there are too many
            signers for the default fields.
    """
    source = await _source(request.source, store)
    return SendOrder(
        marker=request.marker,
        title=request.title,
        description=request.description,
        sender=request.sender,
        source=source,
        signers=request.signers,
        cc=request.cc,
        fields=_fields(request, source.pages if isinstance(source, File) else ()),
        review=request.review,
        send_emails=request.send_emails,
    )


def _fields(request: SendRequest, pages: tuple[PageSize, ...]) -> tuple[SignatureField, ...]:
    if any(signer.role for signer in request.signers):
        return ()
    if wrong := next(misplaced(request.fields, pages), None):
        raise _unusable(wrong)
    for field in request.fields:
        if field.signer > len(request.signers):
            raise _unusable(f"fields: there is no signer {field.signer}")
    try:
        return request.fields or default_fields(len(request.signers), *pages[:1])
    except UnusableFileError as error:
        raise _unusable(str(error)) from None


async def _source(source: SendableSource, store: Store) -> File | FileLink | ProviderDocument:
    match source:
        case FileSource():
            return await _file(source, store)
        case LinkSource():
            return FileLink(source.url)
        case DeliverableSource():
            return ProviderDocument("deliverable", source.deliverable_id)
        case RolesSource():
            return ProviderDocument("template", source.template_id)
        case TemplateSource():
            raise _unusable("source: the document is not generated yet")


async def _file(source: FileSource, store: Store) -> File:
    content = await store.read(source.key)
    digest = await asyncio.to_thread(hashlib.sha256, content)
    if digest.hexdigest() != source.sha256:
        raise _unusable("source: the file in the store is not the one that was put there")
    try:
        facts = await run_isolated(inspect, READ_LIMIT_SECONDS, source.file_name, content)
    except UnusableFileError as error:
        raise _unusable(f"source: {error}") from None
    except IsolatedCallError:
        raise _unusable(f"source: the file cannot be read within {READ_LIMIT_SECONDS:g} s") from None
    return File(source.file_name, content, facts.pages)


def _unusable(message: str) -> ApplicationError:
    return ApplicationError(message, type=SOURCE_UNUSABLE, non_retryable=True)


_VISIBLE_AFTER_ATTEMPTS: Final = 5
"""Attempts after which a document that an event names does not exist; it may not be readable at first."""


@contextmanager
def _explained(source: SendableSource) -> Iterator[None]:
    """Name the link's host if the provider rejects a document that it had to download."""
    try:
        yield
    except RejectedError as error:
        if isinstance(source, LinkSource) and not isinstance(error, UnauthorizedError):
            host = urlsplit(source.url).hostname
            raise RejectedError(
                f"the provider rejected the file at {host}, or could not fetch it: {error}",
                operation=error.operation,
                status=error.status,
                code=error.code,
                provider_message=error.provider_message,
            ) from None
        raise


class SignatureActivities:
    """Activities that call the provider; their docstrings give the number of calls, for the rate limit.

    Args:
        provider: The provider.
        store: Where files to send and the fences of sends are.
        keys: The names of the fences.
        is_watched: Whether the account's watcher reads what changes; without it, it does not.
    """

    def __init__(
        self,
        provider: SignatureProvider,
        store: Store,
        keys: StoreKeys,
        is_watched: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._provider = provider
        self._is_watched = is_watched
        self._store = store
        self._fence = Fence(store)
        self._keys = keys
        self._documents = DocumentActivities(provider, store)

    @activity.defn
    async def send(self, request: SendRequest) -> Sent:
        """Generate the document if its source is a template, then send it.

        Generating may be repeated, and Temporal does. A send may not: its fence is written first, and what
        fails from then on is final. One call, or what the adapter needs; three when it generates, one more
        when that is repeated.

        Raises:
            ApplicationError: With the detail `NOT_BEGUN`, it could not generate. Any other type but `NotSent`
                and `SourceUnusable` may have gone out.
        """
        if not isinstance(request.source, TemplateSource):
            with final():
                return await self._send_once(request)
        generated = await self._generated(request, request.source)
        generated_at = datetime.now(UTC)
        with final():
            sent = await self._send_once(request.model_copy(update={"source": generated}))
        made = {"deliverable_id": generated.deliverable_id} if request.review else {}
        return sent.model_copy(update={"generated_at": generated_at, **made})

    async def _generated(self, request: SendRequest, source: TemplateSource) -> DeliverableSource:
        is_repeated = activity.info().attempt > 1 or request.attempt > 1
        try:
            return await self._documents.generate_once(
                GenerateRequest(marker=request.marker, title=request.title, source=source),
                is_repeated=is_repeated,
            )
        except ApplicationError as error:
            if not error.non_retryable and error.type != UNAUTHORIZED:
                raise
            raise ApplicationError(
                error.message, *error.details, NOT_BEGUN, type=error.type, non_retryable=True
            ) from None

    async def _send_once(self, request: SendRequest) -> Sent:
        if request.deadline is not None and activity.info().started_time >= request.deadline:
            raise ApplicationError("the deadline has passed", type=NOT_SENT)
        try:
            order = await send_order(request, self._store)
            await self._fence.begin(
                self._keys.sending(request.marker.reference, request.claim, request.attempt)
            )
        except StorageError as error:
            raise ApplicationError(str(error), type=NOT_SENT) from None
        with provider_errors(), _explained(request.source):
            try:
                sent = await self._provider.send(
                    order, idempotency_key=idempotency_key(request.marker, f"send-{request.attempt}")
                )
            except ValueError as error:
                raise _unusable(str(error)) from None
            await self._record_sent(request, sent.id)
            recipient_ids = _ids(request.signers, sent.recipients)
            if recipient_ids is None:
                raise OutcomeUnknownError("send: returned other recipients", operation="send")
        return Sent(
            document_id=sent.id,
            recipient_ids=recipient_ids,
            at=datetime.now(UTC),
            review_url=sent.review_url,
        )

    async def _record_sent(self, request: SendRequest, document_id: str) -> None:
        """Record which document was sent, for `countersign recover`, if the store can."""
        key = self._keys.sent(request.marker.reference, request.claim, request.attempt)
        with suppress(StorageError, TimeoutError):
            async with asyncio.timeout(_RECORD_SECONDS):
                await put(self._store, key, json.dumps({"document_id": document_id}).encode())

    @activity.defn
    async def identify(self, request: IdentifyRequest) -> Identity:
        """Compare marker, title, sender, time and recipients: one call, or what the adapter needs."""
        with provider_errors():
            try:
                found = await self._provider.document(request.document_id)
            except RejectedError as error:
                is_new = activity.info().attempt < _VISIBLE_AFTER_ATTEMPTS
                if error.status == HTTPStatus.NOT_FOUND and is_new:
                    raise ApplicationError("the document is not there yet", type=NOT_OURS) from None
                raise
        recipient_ids = _ids(request.signers, found.recipients)
        differs = tuple(differences(found, request, self._provider.sender))
        if recipient_ids is None:
            return Identity(differs=(*differs, "recipients"))
        if differs:
            return Identity(differs=differs)
        sent = Sent(document_id=request.document_id, recipient_ids=recipient_ids, at=datetime.now(UTC))
        return Identity(sent=sent)

    @activity.defn
    async def search(self, request: SearchRequest) -> SearchResult:
        """Search the provider for documents that carry the marker: up to ten calls."""
        with provider_errors():
            found = await self._provider.search(
                request.marker, since=request.since, heartbeat=activity.heartbeat
            )
        return SearchResult(
            candidates=found.document_ids, evidence=(found.evidence,), is_conclusive=found.is_conclusive
        )

    @activity.defn(name="look")  # the name in histories
    async def check(self, request: CheckRequest) -> Checked:
        """Get a document's state: one call."""
        with provider_errors():
            found = await observe(self._provider, request.document_id)
        watched = self._is_watched is not None and await self._is_watched()
        return Checked(status=found.status, recipients=found.recipients, at=found.at, watched=watched)

    @activity.defn
    async def void(self, request: VoidDocumentRequest) -> None:
        """Void a document: one call. A repetition is rejected, and harmless."""
        with provider_errors():
            await self._provider.void(
                request.document_id,
                request.reason,
                idempotency_key=idempotency_key(request.marker, "void"),
            )

    @activity.defn
    async def remind(self, request: RemindRequest) -> Reminded:
        """Remind the signers who can sign now: one call."""
        key = idempotency_key(request.marker, f"remind-{request.number}")
        with provider_errors():
            await self._provider.remind(request.document_id, idempotency_key=key)
        return Reminded(at=activity.info().started_time)


def _ids(signers: tuple[Signer, ...], recipients: Iterable[Recipient]) -> tuple[str, ...] | None:
    """List the recipients' ids in the order of the signers; None if the people differ.

    A template with roles may have saved signers for some roles; these come last.
    """
    by_email = {recipient.email.lower(): recipient.id for recipient in recipients}
    own = [signer.email.lower() for signer in signers]
    saved = [email for email in by_email if email not in own]
    if not set(own) <= set(by_email) or (saved and not any(signer.role for signer in signers)):
        return None
    return tuple(by_email[email] for email in own + saved)
