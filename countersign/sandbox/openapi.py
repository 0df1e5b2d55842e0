"""The OpenAPI description of the emulated API, put together from its routes and their bodies' models."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from starlette.routing import Route

from countersign.sandbox import openapi_shapes as shapes
from countersign.sandbox import signing_links, subscriptions
from countersign.sandbox.delivery_log import Listing as DeliveryListing
from countersign.sandbox.openapi_shapes import ID, TEXT, Schema, data, many, page, results, shape, told
from countersign.sandbox.replies import MEDIA_TYPES
from countersign.sandbox.routes import deliverables, documents, templates, webhooks
from countersign.sandbox.seeds import ORDER_FORM, SERVICES_AGREEMENT

_JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"
_STATUSES: Final = (400, 401, 402, 403, 404, 409, 410, 413, 422, 423, 429, 499)
_FILE: Final = {"type": "string", "format": "binary"}


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
    {"description": TEXT, "variables": TEXT, "tags": TEXT}, templateFile=_FILE, name=TEXT
)
_SEND_TEXTS: Final = (
    *("fileLink", "deliverableId", "templateId", "fields", "ccEmails", "documentName", "documentDescription"),
    *("senderName", "fileName", "sendEmail", "remindersEnabled", "expirationEnabled", "maxReminders"),
    *("reminderDelay", "reminderInterval", "expireAfter", "expirationWarning", "expirationWarningInterval"),
)
_SEND: Final = Call(
    shapes.SENT,
    form=shape(dict.fromkeys(_SEND_TEXTS, TEXT) | {"file": _FILE}, recipients=TEXT, senderEmail=TEXT),
    form_as_json=True,
    example={
        "templateId": ORDER_FORM,
        "documentName": "Order form",
        "senderEmail": "sender@example.com",
        "recipients": '[{"role": "client", "name": "Ada Lovelace", "email": "ada@example.com"}]',
    },
)
_JSON_ONLY: Final[Schema] = {
    name: {"type": ["boolean", "string"]} for name in ("sendEmail", "remindersEnabled", "expirationEnabled")
} | {"maxReminders": {"type": ["integer", "string"]}}
_UPLOAD: Final = Call(results(shape(template=shapes.TEMPLATE_ITEM, redirectUrl=TEXT)), form=_TEMPLATE_FORM)

_VARIABLES: Final = [{"placeholder": "{CustomerName}", "text": "Ada Lovelace", "mimeType": "text"}]
_SUBSCRIPTION: Final = {
    "name": "contracts",
    "urls": ["https://example.com/hook"],
    "events": ["signature.document.completed"],
}

_CALLS: Final[dict[str, Call]] = {
    "GET /v1/deliverable": Call(page(shapes.DELIVERABLE), query=deliverables.Listing),
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
    "GET /template-item": Call(page(shapes.TEMPLATE_ITEM), query=templates.Listing),
    "POST /template/upload-and-create": _UPLOAD,
    "POST /template": _UPLOAD,
    "GET /template/{id}": Call(results(shapes.TEMPLATE)),
    "PATCH /template/{id}": Call(shapes.TEMPLATE_CHANGED, body=templates.Change),
    "DELETE /template/{id}": Call(shapes.TEMPLATE_CHANGED),
    "GET /template/{id}/previewpdflink": Call(shape(results=TEXT)),
    "GET /turbosign/templates/{id}/signature-setup": Call(
        data(shape(templateId=ID, roles=many(shapes.ROLE)))
    ),
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


def describe(routes: Sequence[Any]) -> dict[str, Any]:
    """Describe the routes of the emulated API; pages and control are not part of it."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route) and route.path != "/" and not route.path.startswith("/_sandbox"):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                operation = _operation(route, _CALLS[f"{method} {route.path}"])
                paths.setdefault(route.path, {})[method.lower()] = operation
    security = {"key": {"type": "http", "scheme": "bearer"}}
    title = "TurboDocx, as the sandbox emulates it"
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1.0"},
        "paths": paths,
        "components": {"securitySchemes": security},
        "security": [{"key": []}],
    }


def _operation(route: Route, call: Call) -> dict[str, Any]:
    summary = (route.endpoint.__doc__ or "").partition("\n")[0]
    described: dict[str, Any] = {
        "summary": summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(call.query), _ORG],
        "responses": {"200": _answer(call.answer), **{str(status): _REFUSED for status in _STATUSES}},
    }
    content = _content(call)
    return described | ({"requestBody": {"content": content}} if content else {})


_ORG: Final = {"name": "x-rapiddocx-org-id", "in": "header", "schema": TEXT, "description": "Organisation."}
_REFUSED: Final = {"description": "Refused; the body has one of several shapes, or there is none."}


def _answer(answer: Schema | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {
            "description": "A file.",
            "content": {answer: {"schema": _FILE}, "application/*": {"schema": _FILE}},
        }
    return {"description": "Done.", "content": {_JSON: {"schema": answer}}}


def _content(call: Call) -> dict[str, Any]:
    example = {} if call.example is None else {"example": call.example}
    if call.body is not None:
        return {_JSON: {"schema": _inlined(call.body.model_json_schema())} | example}
    if call.form is None:
        return {}
    content: dict[str, Any] = {_FORM: {"schema": call.form}}
    if call.form_as_json:
        properties = {name: each for name, each in call.form["properties"].items() if name != "file"}
        content[_JSON] = {"schema": call.form | {"properties": properties | _JSON_ONLY}} | example
    return content


def _path_parameters(path: str) -> list[Schema]:
    names = re.findall(r"\{(\w+)\}", path)
    return [
        {"name": name, "in": "path", "required": True, "schema": TEXT if name == "name" else ID}
        for name in names
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[Schema]:
    if model is None:
        return []
    properties = _inlined(model.model_json_schema())["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _inlined(schema: Schema) -> Schema:
    """Put definitions where they are referred to: none refers to itself."""
    definitions = schema.pop("$defs", {})

    def put(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return put(definitions[part["$ref"].rpartition("/")[2]])
            return {key: put(value) for key, value in part.items()}
        return [put(each) for each in part] if isinstance(part, list) else part

    inlined: Schema = put(schema)
    return inlined
