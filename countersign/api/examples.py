"""Examples of requests in the OpenAPI document and the reference. A test sends all of them."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from countersign.api import documentation, problems
from countersign.api.bodies import AGREEMENT_PART, FILE_PART

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
    "reference": "order-1042",
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
NEW_SIGNER: Final = {"signer": 2, "by": {"name": "Cem Example", "email": "cem@example.com"}}


def body_of(model: type[BaseModel], example: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a JSON body."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"required": True, "content": {"application/json": {"schema": schema, "example": dict(example)}}}


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
