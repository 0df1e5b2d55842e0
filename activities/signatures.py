"""Activities that send a document, and check, void and remind afterwards; the provider's request."""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.claims import SendFence
from activities.errors import provider_errors
from activities.identity import differences
from activities.isolation import IsolatedCallError, run_isolated
from activities.requests import (
    CheckRequest,
    IdentifyRequest,
    Identity,
    RemindRequest,
    SearchRequest,
    SearchResult,
    SendableSource,
    SendRequest,
    Sent,
    VoidDocumentRequest,
)
from countersign.agreements.failures import NOT_OURS, NOT_SENT, SOURCE_UNUSABLE
from countersign.agreements.messages import (
    DeliverableSource,
    FileSource,
    LinkSource,
    Observation,
    RecipientProgress,
    RolesSource,
    Sender,
    SignatureField,
    Signer,
)
from countersign.agreements.reference import idempotency_key, mark_title
from countersign.documents import PageSize, UnusableFileError, default_fields, inspect, misplaced
from countersign.providers.errors import OutcomeUnknownError, RejectedError, UnauthorizedError, is_about_key
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.evidence import documents_marked
from countersign.providers.turbodocx.models import DocumentRecipient
from countersign.providers.turbodocx.requests import Field, Recipient, SignatureRequest, UploadFile
from countersign.storage import StorageError, Store
from countersign.storage.store import StoreKeys


async def observe(client: TurboDocxClient, document_id: str) -> Observation:
    """Get a document's state and who has signed: one call.

    Raises:
        ProviderError: The call failed.
    """
    found = await client.document_recipients(document_id)
    return Observation(
        status=found.document.status,
        recipients=tuple(_progress(recipient) for recipient in found.recipients),
        at=datetime.now(UTC),
    )


def _progress(recipient: DocumentRecipient) -> RecipientProgress:
    signed = recipient.status == "completed"
    return RecipientProgress(
        recipient_id=recipient.id,
        viewed_at="" if signed or recipient.status == "viewed" else None,
        signed_at=(recipient.signed_on or "") if signed else None,
    )


READ_LIMIT_SECONDS: Final = 20.0
"""How long reading the file's pages may take: the send's attempt has 150 s, and the provider's call 120 s."""


async def signature_request(request: SendRequest, *, sender: Sender, store: Store) -> SignatureRequest:
    """Build the request for one send.

    Args:
        request: The agreement.
        sender: The sender, unless the agreement names one.
        store: Holds the file to send.

    Raises:
        ApplicationError: `SourceUnusable`, the file is not the one that was put there, or there are too many
            signers for the default fields.
    """
    who = request.sender or sender
    file = await _file(request.source, store) if isinstance(request.source, FileSource) else None
    pages = await _pages(file) if file else ()
    return SignatureRequest(
        document_name=mark_title(request.title, request.marker),
        description=request.description,
        recipients=tuple(
            _recipient(number, signer) for number, signer in enumerate(request.signers, start=1)
        ),
        cc=request.cc,
        sender_email=who.email,
        sender_name=who.name,
        fields=_fields(request, pages),
        **_source(request.source, file),
    )


def _recipient(number: int, signer: Signer) -> Recipient:
    if signer.role:
        return Recipient(name=signer.name, email=signer.email, role=signer.role)
    return Recipient(name=signer.name, email=signer.email, signing_order=signer.order or number)


def _fields(request: SendRequest, pages: tuple[PageSize, ...]) -> tuple[Field, ...]:
    if any(signer.role for signer in request.signers):
        return ()
    if wrong := next(misplaced(request.fields, pages), None):
        raise _unusable(wrong)
    try:
        fields = request.fields or default_fields(len(request.signers), *pages[:1])
    except UnusableFileError as error:
        raise _unusable(str(error)) from None
    return tuple(_field(field, request.signers) for field in fields)


def _field(field: SignatureField, signers: tuple[Signer, ...]) -> Field:
    if field.signer > len(signers):
        raise _unusable(f"fields: there is no signer {field.signer}")
    return Field(
        type=field.type,
        recipient_email=signers[field.signer - 1].email,
        anchor=field.anchor,
        page=field.page,
        x=field.x,
        y=field.y,
        width=field.width,
        height=field.height,
        required=field.required,
    )


def _source(source: SendableSource, file: UploadFile | None) -> dict[str, Any]:
    if file is not None:
        return {"file": file}
    if isinstance(source, DeliverableSource):
        return {"deliverable_id": source.deliverable_id}
    if isinstance(source, LinkSource):
        return {"file_link": source.url}
    if isinstance(source, RolesSource):
        return {"template_id": source.template_id}
    raise AssertionError(source.kind)


async def _file(source: FileSource, store: Store) -> UploadFile:
    content = await store.read(source.key)
    digest = await asyncio.to_thread(hashlib.sha256, content)
    if digest.hexdigest() != source.sha256:
        raise _unusable("source: the file in the store is not the one that was put there")
    return UploadFile(file_name=source.file_name, content=content)


async def _pages(file: UploadFile) -> tuple[PageSize, ...]:
    try:
        return (await run_isolated(inspect, READ_LIMIT_SECONDS, file.file_name, file.content)).pages
    except UnusableFileError as error:
        raise _unusable(f"source: {error}") from None
    except IsolatedCallError:
        raise _unusable(f"source: the file cannot be read within {READ_LIMIT_SECONDS:g} s") from None


def _unusable(message: str) -> ApplicationError:
    return ApplicationError(message, type=SOURCE_UNUSABLE, non_retryable=True)


_VISIBLE_AFTER_ATTEMPTS: Final = 5
"""Attempts after which a document that an event names does not exist; it may not be readable at first."""


class _Person(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def email(self) -> str: ...


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
            ) from None
        raise


class SignatureActivities:
    """Activities that call the provider; their docstrings give the number of calls, for the rate limit.

    Args:
        client: The provider.
        store: Where files to send and the fences of sends are.
        keys: The names of the fences.
        sender: The sender, unless the agreement names one.
    """

    def __init__(self, client: TurboDocxClient, store: Store, keys: StoreKeys, sender: Sender) -> None:
        self._client = client
        self._store = store
        self._fence = SendFence(store, keys)
        self._sender = sender

    @activity.defn
    async def send(self, request: SendRequest) -> Sent:
        """Send the document: one call, after the fence of the attempt is written.

        Raises:
            ApplicationError: Any type but `NotSent` and `SourceUnusable` may have gone out.
        """
        try:
            wanted = await signature_request(request, sender=self._sender, store=self._store)
            await self._fence.begin(request.attempt)
        except StorageError as error:
            raise ApplicationError(str(error), type=NOT_SENT) from None
        with provider_errors(), _explained(request.source):
            prepared = await self._client.prepare_for_signing(
                wanted, idempotency_key=idempotency_key(request.marker, f"send-{request.attempt.number}")
            )
            recipient_ids = _ids(request.signers, prepared.recipients)
            if recipient_ids is None:
                raise OutcomeUnknownError(
                    "prepare_for_signing: returned other recipients", operation="prepare_for_signing"
                )
        return Sent(document_id=prepared.document_id, recipient_ids=recipient_ids, at=datetime.now(UTC))

    @activity.defn
    async def identify(self, request: IdentifyRequest) -> Identity:
        """Compare a document's marker, title, sender, creation time and recipients: one call."""
        with provider_errors():
            try:
                found = await self._client.document_recipients(request.document_id)
            except RejectedError as error:
                is_new = activity.info().attempt < _VISIBLE_AFTER_ATTEMPTS
                if error.status == HTTPStatus.NOT_FOUND and is_new:
                    raise ApplicationError("the document is not there yet", type=NOT_OURS) from None
                raise
        recipient_ids = _ids(request.signers, found.recipients)
        differs = tuple(differences(found.document, request, self._sender))
        if recipient_ids is None:
            return Identity(differs=(*differs, "recipients"))
        if differs:
            return Identity(differs=differs)
        sent = Sent(document_id=request.document_id, recipient_ids=recipient_ids, at=datetime.now(UTC))
        return Identity(sent=sent)

    @activity.defn
    async def search(self, request: SearchRequest) -> SearchResult:
        """Search the provider's delivery log for the marker, if the key may read it: up to ten calls."""
        with provider_errors():
            try:
                found = await documents_marked(
                    self._client.webhooks, request.marker, since=request.since, heartbeat=activity.heartbeat
                )
            except RejectedError as error:
                if is_about_key(error):  # retried once the key is replaced
                    raise
                return SearchResult(candidates=(), evidence=(f"delivery log: refused ({error.status})",))
        return SearchResult(candidates=found.document_ids, evidence=(found.evidence(),))

    @activity.defn(name="look")  # the name in histories
    async def check(self, request: CheckRequest) -> Observation:
        """Get a document's state: one call."""
        with provider_errors():
            return await observe(self._client, request.document_id)

    @activity.defn
    async def void(self, request: VoidDocumentRequest) -> None:
        """Void a document: one call. A repetition is rejected, and harmless."""
        with provider_errors():
            await self._client.void_document(
                request.document_id,
                request.reason,
                idempotency_key=idempotency_key(request.marker, "void"),
            )

    @activity.defn
    async def remind(self, request: RemindRequest) -> None:
        """Remind the signers who can sign now: one call."""
        key = idempotency_key(request.marker, f"remind-{request.number}")
        with provider_errors():
            await self._client.send_reminder(request.document_id, idempotency_key=key)


def _ids(signers: tuple[Signer, ...], recipients: Iterable[_Person]) -> tuple[str, ...] | None:
    """List the recipients' ids in the order of the signers; None if the people differ.

    A template with roles may have saved signers for some roles; these come last.
    """
    by_email = {recipient.email.lower(): recipient.id for recipient in recipients}
    own = [signer.email.lower() for signer in signers]
    saved = [email for email in by_email if email not in own]
    if not set(own) <= set(by_email) or (saved and not any(signer.role for signer in signers)):
        return None
    return tuple(by_email[email] for email in own + saved)
