"""`/v1/deliverable`: documents generated from templates."""

from typing import Annotated, Any, Final
from uuid import uuid4

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core import docx, pdf
from sandbox.core.bodies import json_object
from sandbox.core.responses import MEDIA_TYPES, attachment, json_response
from sandbox.core.store import Row
from sandbox.core.validation import Body, Guid, Problem, check, path_id
from sandbox.turbodocx import errors, tags
from sandbox.turbodocx import sandbox as sandboxes
from sandbox.turbodocx.auth import members
from sandbox.turbodocx.generation import Variable, fill, value_of
from sandbox.turbodocx.listing import Listing, Shown, page
from sandbox.turbodocx.sandbox import USER_ID, Sandbox

EMAIL: Final = "sandbox@example.com"
"""E-mail address of the user that the API keys belong to."""

Name = Annotated[str, StringConstraints(min_length=3, max_length=255)]
Description = Annotated[str, StringConstraints(max_length=65535)]
Tags = list[Annotated[str, StringConstraints(min_length=1, max_length=255)]]


class NewDeliverable(Body):
    """The body of a create."""

    name: Name
    template_id: Guid
    variables: list[Variable]
    description: Description | None = None
    tags: Tags = Field(default_factory=list)


class Change(Body):
    """The body of an update; tags replace all tags."""

    name: Name | None = None
    description: Description | None = None
    tags: Tags | None = None


def bad_request(problems: list[Problem]) -> errors.ApiError:
    """Build the documented 400 of these routes."""
    return errors.domain(400, "; ".join(message for _, message in problems), "ValidationError")


async def create(request: Request) -> Response:
    """Generate a document, synchronously."""
    sandbox, body = sandboxes.of(request), await json_object(request)
    asked = check(NewDeliverable, body, bad_request)
    template = sandbox.store.find("templates", asked.template_id)
    if template is None or not template["is_active"]:
        raise errors.domain(404, "Template not found", "TemplateNotFound")
    if template["file_type"] == "pdf":
        raise errors.domain(400, "A PDF template cannot generate documents", "SignatureOnlyTemplate")
    row = _row(sandbox, asked, template, body["variables"])
    content = _content(sandbox, row, template)
    with sandbox.store.transaction():
        tags.create_missing(sandbox, asked.tags)
        sandbox.store.insert("deliverables", row | {"file_size": len(content)})
        sandbox.store.keep_file(row["id"], content)
        sandbox.ledger.record("deliverable_created", row["id"], name=row["name"], tags=row["tags"])
    return json_response({"data": {"results": {"deliverable": _created(sandbox, row)}}})


async def list_all(request: Request) -> Response:
    """List deliverables, newest first."""
    sandbox = sandboxes.of(request)
    asked = check(Listing, dict(request.query_params), bad_request)
    rows = sandbox.store.rows("SELECT * FROM deliverables WHERE is_active ORDER BY seq DESC")
    found, total = page(sandbox, request, asked, rows)
    shown = [_listed(sandbox, row, with_tags=asked.with_tags) for row in found]
    return json_response({"data": {"results": shown, "totalRecords": total}})


async def get(request: Request) -> Response:
    """Return one deliverable."""
    sandbox, row = sandboxes.of(request), _find(request)
    template = sandbox.store.find("templates", row["template_id"]) or {"name": None, "is_active": False}
    asked = check(Shown, dict(request.query_params), bad_request)
    shown = _listed(sandbox, row, with_tags=asked.with_tags) | {
        "templateName": template["name"],
        "templateNotDeleted": sandbox.flag(template["is_active"]),
        "variables": row["variables"],
    }
    return json_response({"data": {"results": shown}})


async def update(request: Request) -> Response:
    """Change name, description or tags."""
    sandbox, row = sandboxes.of(request), _find(request)
    asked = check(Change, await json_object(request), bad_request)
    changes = {key: value for key, value in asked.model_dump().items() if value is not None}
    with sandbox.store.transaction():
        tags.create_missing(sandbox, asked.tags or [])
        sandbox.store.update("deliverables", row["id"], **changes, updated_on=sandbox.clock.stamp())
        sandbox.ledger.record("deliverable_updated", row["id"])
    return json_response(
        {"data": {"message": "Deliverable updated successfully", "deliverableId": row["id"]}}
    )


async def delete(request: Request) -> Response:
    """Deactivate a deliverable; its data stays."""
    sandbox, row = sandboxes.of(request), _find(request)
    with sandbox.store.transaction():
        sandbox.store.update("deliverables", row["id"], is_active=False, updated_on=sandbox.clock.stamp())
        sandbox.ledger.record("deliverable_deleted", row["id"])
    return json_response(
        {"data": {"message": "Deliverable deleted successfully", "deliverableId": row["id"]}}
    )


async def source_file(request: Request) -> Response:
    """Return the office file; the organization needs a license."""
    sandbox, row = sandboxes.of(request), _find(request)
    if not sandbox.behavior.file_download_licence:
        raise errors.typed(403, "File download is not enabled for your license", "AuthorizationError")
    template = sandbox.store.find("templates", row["template_id"])
    content = docx.write(fill(template["paragraphs"] if template else [], row["variables"]))
    return attachment(content, f"{row['name']}.docx", MEDIA_TYPES["docx"])


async def pdf_file(request: Request) -> Response:
    """Return the PDF."""
    row = _find(request)
    content = sandboxes.of(request).store.file(row["id"]) or b""
    return attachment(content, f"{row['name']}.pdf", MEDIA_TYPES["pdf"])


def _row(sandbox: Sandbox, asked: NewDeliverable, template: Row, variables: list[Any]) -> Row:
    now = sandbox.clock.stamp()
    return {
        "id": str(uuid4()),
        "name": asked.name,
        "description": asked.description or "",
        "template_id": template["id"],
        "variables": variables,
        "tags": asked.tags,
        "file_type": template["file_type"],
        "default_font": "",
        "is_active": True,
        "created_on": now,
        "updated_on": now,
    }


def _content(sandbox: Sandbox, row: Row, template: Row) -> bytes:
    paragraphs = fill(template["paragraphs"], row["variables"])
    values = "; ".join(f"{variable['placeholder']}={value_of(variable)}" for variable in row["variables"])
    return pdf.render(row["name"], paragraphs, made_at=sandbox.clock.now(), keywords=values)


def _find(request: Request) -> Row:
    row = sandboxes.of(request).store.find("deliverables", path_id(request.path_params["id"]))
    if row is None or not row["is_active"]:
        raise errors.domain(404, "Deliverable not found", "DeliverableNotFound")
    return row


def _created(sandbox: Sandbox, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "templateId": row["template_id"],
        "createdBy": USER_ID,
        "createdOn": row["created_on"],
        "updatedOn": row["updated_on"],
        "isActive": sandbox.flag(row["is_active"]),
        "defaultFont": row["default_font"],
        "fonts": None,
    }


def _listed(sandbox: Sandbox, row: Row, *, with_tags: bool) -> dict[str, Any]:
    shown = _created(sandbox, row) | {
        "email": EMAIL,
        "fileSize": row["file_size"],
        "fileType": MEDIA_TYPES[row["file_type"]],
        "fonts": [],
    }
    return shown | {"tags": tags.shown(sandbox, row["tags"])} if with_tags else shown


ROUTES = [
    Route("/v1/deliverable", members(list_all), methods=["GET"]),
    Route("/v1/deliverable", members(create), methods=["POST"]),
    Route("/v1/deliverable/file/pdf/{id}", members(pdf_file), methods=["GET"]),
    Route("/v1/deliverable/file/{id}", members(source_file), methods=["GET"]),
    Route("/v1/deliverable/{id}", members(get), methods=["GET"]),
    Route("/v1/deliverable/{id}", members(update), methods=["PATCH"]),
    Route("/v1/deliverable/{id}", members(delete), methods=["DELETE"]),
]
