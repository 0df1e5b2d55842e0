"""From an agreement to what the provider is asked: its source, its people, its fields."""

import hashlib
from typing import Any, Final

from temporalio.exceptions import ApplicationError

from activities.requests import SendableSource, SendRequest
from countersign.agreements.failures import SOURCE_UNUSABLE
from countersign.agreements.messages import (
    DeliverableSource,
    FileSource,
    LinkSource,
    Sender,
    SignatureField,
    Signer,
)
from countersign.agreements.reference import mark_title
from countersign.providers.turbodocx.requests import Field, Recipient, SignatureRequest, UploadFile
from countersign.storage import Store

_COLUMNS: Final = (50.0, 320.0)
_LOWEST_ROW: Final = 720.0
_ROW_HEIGHT: Final = 60.0
_SIZE: Final = (200.0, 40.0)
DEFAULT_FIELDS_LIMIT: Final = 22
"""How many signatures fit on the first page where nobody says where they belong."""


async def signature_request(request: SendRequest, *, sender: Sender, store: Store) -> SignatureRequest:
    """Build the request for one send.

    Args:
        request: The agreement.
        sender: Who asks, unless the agreement says.
        store: Where a file to send lies.

    Raises:
        ApplicationError: `SourceUnusable`, the file is not the one that was put there, or there are too many
            signers for the default fields.
    """
    who = request.sender or sender
    return SignatureRequest(
        document_name=mark_title(request.title, request.marker),
        description=request.description,
        recipients=tuple(
            _recipient(number, signer) for number, signer in enumerate(request.signers, start=1)
        ),
        cc=request.cc,
        sender_email=who.email,
        sender_name=who.name,
        fields=_fields(request),
        **await _source(request.source, store),
    )


def _recipient(number: int, signer: Signer) -> Recipient:
    if signer.role:
        return Recipient(name=signer.name, email=signer.email, role=signer.role)
    return Recipient(name=signer.name, email=signer.email, signing_order=signer.order or number)


def _fields(request: SendRequest) -> tuple[Field, ...]:
    if any(signer.role for signer in request.signers):
        return ()
    if request.fields:
        return tuple(_field(field, request.signers) for field in request.fields)
    if len(request.signers) > DEFAULT_FIELDS_LIMIT:
        raise _unusable(f"fields: say where more than {DEFAULT_FIELDS_LIMIT} signers sign")
    return tuple(_default_field(index, signer) for index, signer in enumerate(request.signers))


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


def _default_field(index: int, signer: Signer) -> Field:
    """Place signatures in two columns on the first page, from the bottom up."""
    row, column = divmod(index, len(_COLUMNS))
    width, height = _SIZE
    return Field(
        type="signature",
        recipient_email=signer.email,
        page=1,
        x=_COLUMNS[column],
        y=_LOWEST_ROW - row * _ROW_HEIGHT,
        width=width,
        height=height,
    )


async def _source(source: SendableSource, store: Store) -> dict[str, Any]:
    if isinstance(source, DeliverableSource):
        return {"deliverable_id": source.deliverable_id}
    if isinstance(source, LinkSource):
        return {"file_link": source.url}
    if isinstance(source, FileSource):
        return {"file": UploadFile(file_name=source.file_name, content=await _content(source, store))}
    return {"template_id": source.template_id}


async def _content(source: FileSource, store: Store) -> bytes:
    content = await store.read(source.key)
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise _unusable("source: the file in the store is not the one that was put there")
    return content


def _unusable(message: str) -> ApplicationError:
    return ApplicationError(message, type=SOURCE_UNUSABLE, non_retryable=True)
