"""What Documenso is asked to have signed: the payload of a draft, with fields in percent of the page."""

import json
from typing import Any, Final

from countersign.agreements.messages import SignatureField
from countersign.documents import PageSize
from countersign.providers.calls import FilePart
from countersign.providers.port import File, SendOrder

FIELD_TYPES: Final = {
    "signature": "SIGNATURE",
    "initial": "INITIALS",
    "date": "DATE",
    "text": "TEXT",
    "full_name": "NAME",
    "email": "EMAIL",
    "number": "NUMBER",
}
"""The provider's types of fields by ours."""
_OPTIONAL: Final = frozenset({"text", "number"})
"""The types of fields that may stay empty."""


def external_id(order: SendOrder) -> str:
    """Return what marks the envelope as ours; reads and webhooks echo it."""
    return str(order.marker)


def draft_parts(order: SendOrder) -> tuple[dict[str, str], FilePart]:
    """Write a draft as the parts of a form: the payload and the file.

    Args:
        order: What is to be signed; its source is a PDF whose pages are known.

    Raises:
        ValueError: The order has what Documenso lacks.
    """
    if not isinstance(order.source, File) or not order.source.pages:
        raise ValueError("source: documenso signs PDF files only")
    if any(signer.role for signer in order.signers):
        raise ValueError("signers: documenso has no signer roles")
    orders = [signer.order or number for number, signer in enumerate(order.signers, start=1)]
    recipients = [
        {
            "email": signer.email,
            "name": signer.name,
            "role": "SIGNER",
            "signingOrder": position,
            "fields": [_field(field, order.source.pages) for field in order.fields if field.signer == number],
        }
        for number, (signer, position) in enumerate(zip(order.signers, orders, strict=True), start=1)
    ]
    copies = [{"email": address, "name": address, "role": "CC"} for address in order.cc]
    payload = {
        "type": "DOCUMENT",
        "title": order.title,
        "externalId": external_id(order),
        "recipients": recipients + copies,
        "meta": {
            "distributionMethod": "EMAIL" if order.send_emails else "NONE",
            "signingOrder": "PARALLEL" if len(set(orders)) == 1 else "SEQUENTIAL",
            "envelopeExpirationPeriod": {"disabled": True},  # the agreement's deadline voids it
            **({"message": order.description} if order.description else {}),
        },
    }
    part = FilePart(
        field="files", name="document.pdf", content=order.source.content, media_type="application/pdf"
    )
    return {"payload": json.dumps(payload)}, part


def _field(field: SignatureField, pages: tuple[PageSize, ...]) -> dict[str, Any]:
    if field.page is None or field.x is None or field.y is None or field.page > len(pages):
        raise ValueError("fields: give `page`, `x` and `y`")
    if field.type not in FIELD_TYPES:
        raise ValueError(f"fields: documenso has no type {field.type}; use {', '.join(FIELD_TYPES)}")
    if not field.required and field.type not in _OPTIONAL:
        raise ValueError(f"fields: a {field.type} is always required")
    page = pages[field.page - 1]
    meta = {"fieldMeta": {"type": field.type, "required": field.required}} if field.type in _OPTIONAL else {}
    return {
        "identifier": 0,
        "type": FIELD_TYPES[field.type],
        "page": field.page,
        "positionX": _percent(field.x, page.width),
        "positionY": _percent(field.y, page.height),
        "width": _percent(field.width, page.width),
        "height": _percent(field.height, page.height),
        **meta,
    }


def _percent(points: float, whole: float) -> float:
    return round(100 * points / whole, 4)
