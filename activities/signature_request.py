"""The provider's signature request of an agreement: source, people, fields."""

import asyncio
import hashlib
from typing import Any, Final

from temporalio.exceptions import ApplicationError

from activities.isolation import IsolatedCallError, run_isolated
from activities.requests import SendableSource, SendRequest
from countersign.agreements.failures import SOURCE_UNUSABLE
from countersign.agreements.messages import (
    DeliverableSource,
    FileSource,
    LinkSource,
    RolesSource,
    Sender,
    SignatureField,
    Signer,
)
from countersign.agreements.reference import mark_title
from countersign.documents import PageSize, UnusableFileError, default_fields, inspect, misplaced
from countersign.providers.turbodocx.requests import Field, Recipient, SignatureRequest, UploadFile
from countersign.storage import Store

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
