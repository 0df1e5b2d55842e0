"""Templates: list, show, upload, and their signer roles."""

from typing import Annotated, Any

from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core import pdf
from sandbox.core.bodies import json_object
from sandbox.core.responses import MEDIA_TYPES, json_response
from sandbox.core.store import Row
from sandbox.core.validation import Body, check, path_id
from sandbox.turbodocx import errors, tags, template_files
from sandbox.turbodocx import sandbox as sandboxes
from sandbox.turbodocx.auth import members
from sandbox.turbodocx.bodies import fields_and_file
from sandbox.turbodocx.listing import Listing, page
from sandbox.turbodocx.sandbox import Sandbox
from sandbox.turbodocx.template_store import keep


class NewTemplate(Body):
    """The fields of an upload."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    description: Annotated[str, StringConstraints(max_length=65535)] = ""
    variables: str = "[]"
    tags: str = "[]"


class Change(Body):
    """The body of an update."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    description: Annotated[str, StringConstraints(max_length=65535)] | None = None


async def list_all(request: Request) -> Response:
    """List templates."""
    sandbox = sandboxes.of(request)
    asked = check(Listing, dict(request.query_params), lambda found: errors.invalid(found, part="query"))
    rows = sandbox.store.rows("SELECT * FROM templates WHERE is_active ORDER BY seq")
    found, total = page(sandbox, request, asked, rows)
    shown = [_listed(sandbox, row, with_tags=asked.with_tags) for row in found]
    return json_response({"data": {"results": shown, "totalRecords": total}})


async def get(request: Request) -> Response:
    """Return one template with its variables."""
    row = _find(request)
    shown = {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "templateFileType": MEDIA_TYPES[row["file_type"]],
        "templateFolderId": None,
        "variables": _variables(row["variables"]),
        "fonts": None,
        "defaultFont": "",
    }
    return json_response({"data": {"results": shown}})


async def preview_link(request: Request) -> Response:
    """Return a link to a PDF of the template."""
    row = _find(request)
    return json_response({"results": f"{request.base_url}_sandbox/templates/{row['id']}.pdf"})


async def preview(request: Request) -> Response:
    """Return a PDF of the template."""
    row = _find(request)
    kept = sandboxes.of(request).store.file(row["id"]) if row["file_type"] == "pdf" else None
    return Response(kept or pdf.render(row["name"], row["paragraphs"]), media_type=MEDIA_TYPES["pdf"])


async def upload(request: Request) -> Response:
    """Create a template from an uploaded file."""
    sandbox = sandboxes.of(request)
    fields, file = await fields_and_file(request, "templateFile")
    asked = check(NewTemplate, fields, errors.invalid)
    if file is None:
        raise errors.invalid([("templateFile", '"templateFile" is required')])
    kind, paragraphs = template_files.read(file)
    with sandbox.store.transaction():
        row = keep(
            sandbox,
            name=asked.name,
            description=asked.description,
            file_type=kind,
            content=file.content,
            paragraphs=paragraphs,
            variables=template_files.texts(asked.variables, "variables"),
            tags=template_files.texts(asked.tags, "tags"),
        )
        sandbox.ledger.record("template_created", row["id"], name=row["name"])
    shown = _listed(sandbox, row, with_tags=True) | {"variables": _variables(row["variables"]) or None}
    results = {"template": shown, "redirectUrl": f"/templates/{row['id']}/generate"}
    return json_response({"data": {"results": results}})


async def update(request: Request) -> Response:
    """Change name or description."""
    sandbox, row = sandboxes.of(request), _find(request)
    asked = check(Change, await json_object(request), errors.invalid)
    changes = {key: value for key, value in asked.model_dump().items() if value is not None}
    with sandbox.store.transaction():
        sandbox.store.update("templates", row["id"], **changes, updated_on=sandbox.clock.stamp())
    return json_response({"data": {"message": "Template updated successfully", "templateId": row["id"]}})


async def delete(request: Request) -> Response:
    """Deactivate a template; its deliverables stay."""
    sandbox, row = sandboxes.of(request), _find(request)
    with sandbox.store.transaction():
        sandbox.store.update("templates", row["id"], is_active=False, updated_on=sandbox.clock.stamp())
    return json_response({"data": {"message": "Template deleted successfully", "templateId": row["id"]}})


async def signature_setup(request: Request) -> Response:
    """List a template's signer roles."""
    template_id = path_id(request.path_params["id"], "templateId")
    row = sandboxes.of(request).store.find("templates", template_id)
    if row is None or not row["is_active"] or not row["roles"]:
        raise errors.typed(404, "Signature setup not found", "SignatureSetupNotFound")
    roles = [_role(role, row["fields"]) for role in sorted(row["roles"], key=lambda entry: entry["order"])]
    return json_response({"data": {"templateId": row["id"], "roles": roles}})


def _find(request: Request) -> Row:
    row = sandboxes.of(request).store.find("templates", path_id(request.path_params["id"]))
    if row is None or not row["is_active"]:
        raise errors.typed(404, "Template not found", "TemplateNotFound")
    return row


def _listed(sandbox: Sandbox, row: Row, *, with_tags: bool) -> dict[str, Any]:
    count = sandbox.store.row("SELECT COUNT(*) AS n FROM deliverables WHERE template_id = ?", row["id"])
    shown = {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "type": "template",
        "fileType": MEDIA_TYPES[row["file_type"]],
        "fileSize": row["file_size"],
        "deliverableCount": count["n"] if count else 0,
        "templateCount": 0,
        "isActive": 1,
        "createdOn": row["created_on"],
        "updatedOn": row["updated_on"],
    }
    return shown | {"tags": tags.shown(sandbox, row["tags"])} if with_tags else shown


def _variables(names: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{order}",
            "name": name.strip("{}"),
            "placeholder": name,
            "text": "",
            "mimeType": "text",
            "allowRichTextInjection": 0,
            "order": order,
            "subvariables": [],
        }
        for order, name in enumerate(names, start=1)
    ]


def _role(role: dict[str, Any], fields: list[dict[str, Any]]) -> dict[str, Any]:
    saved = "defaultEmail" in role
    shown = {key: role[key] for key in ("key", "label", "order")} | {
        "hasSavedSigner": saved,
        "fieldCount": sum(field["role"] == role["key"] for field in fields),
    }
    return shown | {key: role[key] for key in ("defaultName", "defaultEmail")} if saved else shown


ROUTES = [
    Route("/template-item", members(list_all), methods=["GET"]),
    Route("/template/upload-and-create", members(upload), methods=["POST"]),
    Route("/template", members(upload), methods=["POST"]),
    Route("/template/{id}", members(get), methods=["GET"]),
    Route("/template/{id}", members(update), methods=["PATCH"]),
    Route("/template/{id}", members(delete), methods=["DELETE"]),
    Route("/template/{id}/previewpdflink", members(preview_link), methods=["GET"]),
    Route("/turbosign/templates/{id}/signature-setup", members(signature_setup), methods=["GET"]),
    Route("/_sandbox/templates/{id}.pdf", preview, methods=["GET"]),
]
