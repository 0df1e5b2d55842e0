"""Examples of requests in the OpenAPI document and the reference. A test sends all of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from countersign.agreements.callbacks import CallbackData, CallbackEvent, CallbackLinks, CallbackType
from countersign.agreements.messages import Outcome, SignerStatus, Stage, WaitingFor
from countersign.api import documentation, models, problems
from countersign.api.bodies import AGREEMENT_PART, FILE_PART
from countersign.client.batches import BatchView
from countersign.client.view import AgreementView

VERB_PROBLEMS: Final = (
    problems.UNKNOWN,
    problems.CONFLICT,
    problems.NO_WORKER,
    problems.STUCK,
    *documentation.BODY,
)
"""What a verb can end in."""

TEMPLATE: Final = "7e3a1c00-0000-4000-8000-000000000002"
START: Final = {
    "reference": "order-4711",
    "title": "Mutual NDA",
    "source": {
        "kind": "template",
        "template_id": TEMPLATE,
        "variables": {"CustomerName": "Example Ltd", "EffectiveDate": "2027-01-01"},
    },
    "signers": [
        {"name": "Ada Example", "email": "ada@example.com"},
        {"name": "Ben Example", "email": "ben@example.com"},
    ],
    "deadline": "14d",
}
SIGNING_LINK: Final = {"return_url": "https://shop.example/thanks"}
NEW_SIGNER: Final = {"signer": 2, "by": {"name": "Cem Example", "email": "cem@example.com"}}


def body_of(model: type[BaseModel], example: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Describe a JSON body."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "required": required,
        "content": {"application/json": {"schema": schema, "example": dict(example)}},
    }


def start_body() -> dict[str, Any]:
    """Describe the body of a start."""
    schema = {"$ref": "#/components/schemas/NewAgreement"}
    form = {
        "type": "object",
        "properties": {
            AGREEMENT_PART: schema,
            FILE_PART: {
                "type": "string",
                "contentMediaType": "application/octet-stream",
                "description": "A PDF, DOCX or PPTX of at most 10 MB.",
            },
        },
        "required": [AGREEMENT_PART],
    }
    return {
        "required": True,
        "content": {
            "application/json": {"schema": schema, "example": START},
            "multipart/form-data": {
                "schema": form,
                "encoding": {AGREEMENT_PART: {"contentType": "application/json"}},
            },
        },
    }


def batch_body() -> dict[str, Any]:
    """Describe the body of a batch's start."""
    schema = {"$ref": "#/components/schemas/NewBatch"}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


CALLBACK: Final = CallbackEvent(
    type=CallbackType.COMPLETED,
    timestamp=datetime(2027, 1, 31, 12, 0, 0, tzinfo=UTC),
    data=CallbackData(
        reference="order-4711",
        document_id="25c7975b-9c18-4b15-862c-4f7afa7df21e",
        outcome=Outcome.COMPLETED,
        resolved_by="webhook",
        links=CallbackLinks(
            agreement="https://api.example.com/v1/agreements/order-4711",
            document="https://api.example.com/v1/agreements/order-4711/signed.pdf",
            audit_trail="https://api.example.com/v1/agreements/order-4711/audit-trail",
            timeline="https://api.example.com/v1/agreements/order-4711/timeline",
        ),
        metadata={"order": "1042"},
    ),
)


def callbacks() -> dict[str, Any]:
    """Describe what the callers of a start receive at their `callback_url`."""
    about = {
        "webhook-id": "The event's id, the same for every attempt. Ignore an id that you know.",
        "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
        "webhook-signature": "Its signatures by Standard Webhooks: verify one of them over the body's bytes.",
    }
    headers = [
        {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in about.items()
    ]
    responses = {
        "2XX": "It was received.",
        "410": "No more attempts of this event.",
        "default": "It is repeated, ten times over a day; not before `Retry-After`.",
    }
    return {
        "event": {
            "{$request.body#/callback_url}": {
                "post": {
                    "operationId": "receive_event",
                    "summary": "Receive an event of the agreement",
                    "description": "Respond within 10 s. Events may come twice and overtake each other.",
                    "security": [],
                    "parameters": headers,
                    "requestBody": body_of(
                        CallbackEvent, CALLBACK.model_dump(mode="json", exclude_none=True)
                    ),
                    "responses": {status: {"description": text} for status, text in responses.items()},
                }
            }
        }
    }


@dataclass(frozen=True, slots=True)
class Example:
    """A request in the reference, as a shell command.

    Args:
        command: What follows `curl -sS -H "Authorization: Bearer $TOKEN"`, with `$API` for the address.
        status: The status of the response.
        result: A part of the response's body, to show; None if there is nothing to show.
    """

    command: str
    status: int
    result: Any = None


def _json(body: Mapping[str, Any]) -> str:
    written = json.dumps(body, indent=2)
    return f"-H 'Content-Type: application/json' -d '{written}'"


_PATH: Final = '"$API/v1/agreements/order-4711'
_AT: Final = datetime(2027, 1, 31, 12, 0, 0, tzinfo=UTC)
VIEW: Final = AgreementView(
    reference="order-4711",
    stage=Stage.AWAITING_SIGNATURES,
    waiting_for=WaitingFor.SIGNATURES,
    document_id="25c7975b-9c18-4b15-862c-4f7afa7df21e",
    signers=(
        SignerStatus(name="Ada Example", order=1, viewed_at=_AT.isoformat(), signed_at=_AT.isoformat()),
        SignerStatus(name="Ben Example", order=2),
    ),
    deadline=_AT + timedelta(days=14),
    ready_at=_AT,
    sent_at=_AT,
    next_check_at=_AT + timedelta(minutes=5),
)
ACCEPTED: Final = models.Accepted(
    reference="order-4711", links=models.Links.of("order-4711", runs=True, archived=False)
)

_HEADER: Final = "reference,title,template,signer_1_name,signer_1_email,var.CustomerName,var.EffectiveDate"
_TABLE: Final = f"""'table={_HEADER}
renewal-1,Renewal,{TEMPLATE},Ada Example,ada@example.com,Example Ltd,2027-01-01
renewal-2,Renewal,{TEMPLATE},Ben Example,ben@example.com,Sample Inc,2027-01-01
;filename=agreements.csv'"""
_BATCH: Final = models.Batch(
    **dict(BatchView.at_start("spring-renewal", 2)),
    links=models.BatchLinks.of("spring-renewal", runs=True),
).model_dump(mode="json")

EXAMPLES: Final[Mapping[str, Example]] = {
    "start_agreement": Example(f'"$API/v1/agreements" {_json(START)}', 202),
    "list_agreements": Example('"$API/v1/agreements?stage=awaiting_signatures&limit=20&counts=true"', 200),
    "get_agreement": Example(
        f'{_PATH}?wait=1" -H \'If-None-Match: "the-etag-that-you-have"\'',
        200,
        models.agreement(VIEW, people=True),
    ),
    "remind_agreement": Example(f'-X POST {_PATH}/remind"', 202, ACCEPTED.model_dump(mode="json")),
    "make_signing_link": Example(f'{_PATH}/signers/1/signing-link" {_json(SIGNING_LINK)}', 200),
    "replace_signer": Example(f'{_PATH}/replace-signer" {_json(NEW_SIGNER)}', 202),
    "void_agreement": Example(f'{_PATH}.2/void" {_json({"reason": "The order was canceled."})}', 202),
    "resolve_agreement": Example(
        f'"$API/v1/agreements/order-4713/resolve" {_json({"action": "send_now"})}', 202
    ),
    "get_signed_document": Example('"$API/v1/agreements/order-4710/signed.pdf" -o signed.pdf', 200),
    "get_audit_trail": Example('"$API/v1/agreements/order-4710/audit-trail"', 200),
    "get_timeline": Example('"$API/v1/agreements/order-4710/timeline"', 200),
    "start_batch": Example(f'"$API/v1/batches" -F batch=spring-renewal -F {_TABLE}', 202, _BATCH),
    "get_batch": Example('"$API/v1/batches/spring-renewal"', 200),
    "get_batch_report": Example('"$API/v1/batches/spring-renewal/report"', 200),
    "pause_batch": Example('-X POST "$API/v1/batches/autumn-renewal/pause"', 202),
    "resume_batch": Example('-X POST "$API/v1/batches/autumn-renewal/resume"', 202),
    "cancel_batch": Example(f'"$API/v1/batches/winter-renewal/cancel" {_json({"void": False})}', 202),
    "list_templates": Example('"$API/v1/templates"', 200),
    "get_template": Example(f'"$API/v1/templates/{TEMPLATE}"', 200),
}
"""By operation, in the order of a test. There, `order-4710` is completed and `order-4713` is in review;
`autumn-renewal` and `winter-renewal` are paused."""
