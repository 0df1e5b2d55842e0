"""What each call of the emulated API takes and gives, for its OpenAPI description."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from countersign.sandbox import openapi_shapes as shapes
from countersign.sandbox import signing_links, subscriptions
from countersign.sandbox.delivery_log import Listing as DeliveryListing
from countersign.sandbox.listing import Listing
from countersign.sandbox.openapi_shapes import FILE, TEXT, Schema, data, page, results, shape, told
from countersign.sandbox.replies import MEDIA_TYPES
from countersign.sandbox.routes import deliverables, documents, templates, webhooks
from countersign.sandbox.seeds import ORDER_FORM, SERVICES_AGREEMENT


@dataclass(frozen=True, slots=True)
class Call:
    """What a call takes and gives.

    Args:
        answer: The shape of its answer; a media type for a file.
        body: The model of its JSON body.
        query: The model of its query.
        form: The fields of its multipart body.
        form_as_json: Whether those may also come as JSON.
        example: A JSON body that works.
    """

    answer: Schema | str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    form: Schema | None = None
    form_as_json: bool = False
    example: dict[str, Any] | None = None


_TEMPLATE_FORM: Final = shape(
    {"description": TEXT, "variables": TEXT, "tags": TEXT}, templateFile=FILE, name=TEXT
)
_SEND_TEXTS: Final = (
    *("fileLink", "deliverableId", "templateId", "fields", "ccEmails", "documentName", "documentDescription"),
    *("senderName", "fileName", "sendEmail", "remindersEnabled", "expirationEnabled", "maxReminders"),
    *("reminderDelay", "reminderInterval", "expireAfter", "expirationWarning", "expirationWarningInterval"),
)
_SEND: Final = Call(
    shapes.SENT,
    form=shape(dict.fromkeys(_SEND_TEXTS, TEXT) | {"file": FILE}, recipients=TEXT, senderEmail=TEXT),
    form_as_json=True,
    example={
        "templateId": ORDER_FORM,
        "documentName": "Order form",
        "senderEmail": "sender@example.com",
        "recipients": '[{"role": "client", "name": "Ada Lovelace", "email": "ada@example.com"}]',
    },
)
JSON_ONLY: Final[Schema] = {
    name: {"type": ["boolean", "string"]} for name in ("sendEmail", "remindersEnabled", "expirationEnabled")
} | {"maxReminders": {"type": ["integer", "string"]}}
_UPLOAD: Final = Call(results(shape(template=shapes.TEMPLATE_ITEM, redirectUrl=TEXT)), form=_TEMPLATE_FORM)

_VARIABLES: Final = [{"placeholder": "{CustomerName}", "text": "Ada Lovelace", "mimeType": "text"}]
_SUBSCRIPTION: Final = {
    "name": "contracts",
    "urls": ["https://example.com/hook"],
    "events": ["signature.document.completed"],
}

CALLS: Final[dict[str, Call]] = {
    "GET /v1/deliverable": Call(page(shapes.DELIVERABLE), query=Listing),
    "POST /v1/deliverable": Call(
        results(shape(deliverable=shapes.CREATED)),
        body=deliverables.NewDeliverable,
        example={"name": "Contract", "templateId": SERVICES_AGREEMENT, "variables": _VARIABLES},
    ),
    "GET /v1/deliverable/{id}": Call(results(shapes.DELIVERABLE_DETAILS)),
    "PATCH /v1/deliverable/{id}": Call(shapes.CHANGED, body=deliverables.Change),
    "DELETE /v1/deliverable/{id}": Call(shapes.CHANGED),
    "GET /v1/deliverable/file/{id}": Call(MEDIA_TYPES["docx"]),
    "GET /v1/deliverable/file/pdf/{id}": Call(MEDIA_TYPES["pdf"]),
    "GET /template-item": Call(page(shapes.TEMPLATE_ITEM), query=Listing),
    "POST /template/upload-and-create": _UPLOAD,
    "POST /template": _UPLOAD,
    "GET /template/{id}": Call(results(shapes.TEMPLATE)),
    "PATCH /template/{id}": Call(shapes.TEMPLATE_CHANGED, body=templates.Change),
    "DELETE /template/{id}": Call(shapes.TEMPLATE_CHANGED),
    "GET /template/{id}/previewpdflink": Call(shape(results=TEXT)),
    "GET /turbosign/templates/{id}/signature-setup": Call(data(shapes.ROLES)),
    "POST /turbosign/single/prepare-for-signing": _SEND,
    "POST /turbosign/single/prepare-for-review": _SEND,
    "GET /turbosign/documents/signature-documents": Call(page(shapes.DOCUMENT), query=documents.Listing),
    "GET /turbosign/documents/{id}/status": Call(data(shapes.STATUS)),
    "GET /turbosign/documents/{id}/recipients": Call(data(shapes.RECIPIENTS)),
    "GET /turbosign/documents/{id}/download": Call(shapes.DOWNLOAD),
    "GET /turbosign/documents/{id}/audit-trail": Call(data(shapes.AUDIT)),
    "POST /turbosign/documents/{id}/void": Call(
        data(shapes.VOIDED), body=documents.Void, example={"reason": "No longer needed"}
    ),
    "POST /turbosign/documents/{id}/resend-email": Call(data(shapes.RESENT), body=documents.Resend),
    "POST /turbosign/documents/{id}/send-reminder": Call(data(shapes.REMINDED), body=documents.Remind),
    "POST /turbosign/documents/{id}/signing-url": Call(results(shapes.SIGNING_URL), body=signing_links.Asked),
    "GET /turbosign/documents/{id}/recipients/{recipient}/signing-link": Call(results(shapes.SIGNING_URL)),
    "GET /turbosign/embedded-signing-settings": Call(results(shapes.EMBEDDING)),
    "POST /api/webhooks": Call(told(shapes.SECRET), body=subscriptions.NewWebhook, example=_SUBSCRIPTION),
    "GET /api/webhooks/{name}": Call(data(shapes.WEBHOOK_DETAILS)),
    "PATCH /api/webhooks/{name}": Call(told(shapes.WEBHOOK), body=subscriptions.Change),
    "DELETE /api/webhooks/{name}": Call(shape(message=TEXT)),
    "POST /api/webhooks/{name}/regenerate": Call(told(shapes.SECRET)),
    "POST /api/webhooks/{name}/test": Call(told(shapes.NOTIFIED), body=webhooks.Notification),
    "POST /api/webhooks/{name}/notify": Call(told(shapes.NOTIFIED), body=webhooks.Notification),
    "GET /api/webhooks/{name}/deliveries": Call(shapes.DELIVERIES, query=DeliveryListing),
    "POST /api/webhooks/{name}/replay": Call(told(shapes.DELIVERY), body=webhooks.Replay),
    "GET /api/webhooks/{name}/stats": Call(shapes.STATS, query=webhooks.Stats),
}
