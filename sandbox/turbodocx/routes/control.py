"""`/_sandbox/…`: what the control API has for TurboDocx alone."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core import docx, pdf
from sandbox.core.bodies import json_object
from sandbox.core.responses import json_response
from sandbox.core.validation import Body, Guid, check, path_id
from sandbox.turbodocx import errors, sending
from sandbox.turbodocx import sandbox as sandboxes
from sandbox.turbodocx.fields import FIELD_TYPES, Number, Size
from sandbox.turbodocx.template_store import keep

Text = Annotated[str, Field(min_length=1, max_length=255)]


class Role(Body):
    """A signer role; the default signer fills it if a send has no signer for it."""

    key: Text
    label: Text
    order: Annotated[int, Field(ge=1)]
    default_name: Text | None = None
    default_email: Text | None = None


class RoleField(Body):
    """A field saved for a role."""

    role: Text
    type: FIELD_TYPES
    page: Annotated[int, Field(ge=1)] = 1
    x: Number
    y: Number
    width: Size
    height: Size


class Template(Body):
    """A template to add, optionally with its id."""

    model_config = ConfigDict(extra="forbid")

    id: Guid | None = None
    name: Annotated[str, Field(min_length=1, max_length=255)]
    file_type: Literal["docx", "pdf"] = "docx"
    paragraphs: Annotated[list[Annotated[list[str], Field(min_length=2, max_length=2)]], Field(min_length=1)]
    roles: list[Role] | None = None
    fields: list[RoleField] | None = None


async def put_template(request: Request) -> Response:
    """Add a template of paragraphs, which are pairs of style and text."""
    sandbox, asked = sandboxes.of(request), check(Template, await json_object(request), errors.invalid)
    paragraphs = [(style, text) for style, text in asked.paragraphs]
    is_pdf = asked.file_type == "pdf"
    row = keep(
        sandbox,
        template_id=asked.id,
        name=asked.name,
        file_type=asked.file_type,
        content=pdf.render(asked.name, paragraphs) if is_pdf else docx.write(paragraphs),
        paragraphs=paragraphs,
        roles=[role.model_dump(by_alias=True, exclude_none=True) for role in asked.roles or []],
        fields=[field.model_dump(by_alias=True) for field in asked.fields or []],
    )
    return json_response({"id": row["id"], "variables": row["variables"]})


async def send_reviewed(request: Request) -> Response:
    """Send a document that was prepared for review."""
    sandbox = sandboxes.of(request)
    document = sending.send_reviewed(sandbox, path_id(request.path_params["id"]))
    return json_response({"id": document["id"], "status": document["status"]})


ROUTES = [
    Route("/_sandbox/documents/{id}/send", send_reviewed, methods=["POST"]),
    Route("/_sandbox/templates", put_template, methods=["POST"]),
]
