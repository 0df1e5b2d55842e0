"""`/envelope/…`: create, read, find, send, remind and end envelopes."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from sandbox.core import bodies
from sandbox.core.bodies import Upload, json_object, parse_json
from sandbox.core.errors import ApiError
from sandbox.core.responses import json_response
from sandbox.core.validation import Body, Query, check
from sandbox.documenso import audit, creation, envelopes, errors, search, sending, views
from sandbox.documenso import sandbox as sandboxes
from sandbox.documenso.auth import procedure
from sandbox.documenso.routes.paths import both
from sandbox.documenso.sandbox import OWNER
from sandbox.documenso.values import SendMeta, Whole, WholeText


class Distribute(Body):
    """The body of a send."""

    envelope_id: str
    meta: SendMeta | None = None


class Redistribute(Body):
    """The body of a reminder."""

    envelope_id: str
    recipients: Annotated[list[Whole], Field(min_length=1)]


class Cancel(Body):
    """The body of a cancellation."""

    envelope_id: str
    reason: Annotated[str, StringConstraints(max_length=1000)] | None = None


class Delete(Body):
    """The body of a deletion."""

    envelope_id: str


class EnvelopeIds(Body):
    """Envelope ids."""

    type: Literal["envelopeId"]
    ids: Annotated[list[str], Field(min_length=1, max_length=20)]


class NumberIds(Body):
    """The numbers that older routes use."""

    type: Literal["documentId", "templateId"]
    ids: Annotated[list[Whole], Field(min_length=1, max_length=20)]


class GetMany(Body):
    """The body of a read of several."""

    ids: Annotated[EnvelopeIds | NumberIds, Field(discriminator="type")]


class Pages(Query):
    """The query of the audit log."""

    page: Annotated[WholeText, Field(ge=1)] = 1
    per_page: Annotated[WholeText, Field(ge=1, le=100)] = 10
    order_by_direction: Literal["asc", "desc"] = "desc"


async def create(request: Request, team: int) -> Response:
    """Create a draft or a template."""
    sandbox = sandboxes.of(request)
    payload, uploads = await _multipart(request)
    asked = check(creation.New, payload, errors.invalid_input)
    files = creation.read_files(sandbox, uploads)
    if not files:
        raise errors.invalid_input([("files", "At least one file is required")])
    document = creation.create(sandbox, asked, files, OWNER, team)
    return json_response({"id": document["id"]})


async def use(request: Request, team: int) -> Response:
    """Create a document from a template, and send it if asked."""
    sandbox = sandboxes.of(request)
    payload, uploads = await _multipart(request)
    asked = check(creation.Use, payload, errors.invalid_input)
    template = envelopes.find(sandbox, asked.envelope_id, team, "TEMPLATE")
    document = creation.use(sandbox, template, asked, creation.read_files(sandbox, uploads), OWNER)
    if asked.distribute_document:
        try:
            sending.distribute(sandbox, document, None)
        except ApiError:
            message = "Document was created but failed to send"
            raise errors.app_error("DOCUMENT_SEND_FAILED", message) from None
    people = envelopes.recipients(sandbox, document["id"])
    shown = [views.link(str(request.base_url), person) for person in people]
    return json_response({"id": document["id"], "recipients": shown})


async def get(request: Request, team: int) -> Response:
    """Return an envelope, a hidden one too."""
    sandbox = sandboxes.of(request)
    row = envelopes.find(sandbox, request.path_params["id"], team)
    return json_response(views.envelope(sandbox, row))


async def get_many(request: Request, team: int) -> Response:
    """Return envelopes; those that are not visible are left out."""
    sandbox = sandboxes.of(request)
    asked = check(GetMany, await json_object(request), errors.invalid_input).ids
    if isinstance(asked, EnvelopeIds):
        rows = [envelopes.visible(sandbox, envelope_id, team) for envelope_id in asked.ids]
    else:
        kind = "DOCUMENT" if asked.type == "documentId" else "TEMPLATE"
        query = "SELECT * FROM documents WHERE seq = ? AND type = ? AND team_id = ?"
        rows = [sandbox.store.row(query, number, kind, team) for number in asked.ids]
    return json_response({"data": [views.envelope(sandbox, row) for row in rows if row is not None]})


async def find(request: Request, team: int) -> Response:
    """Search envelopes."""
    sandbox = sandboxes.of(request)
    asked = check(search.Search, dict(request.query_params), errors.invalid_input)
    rows, total = search.search(sandbox, asked, team)
    data = [views.found(sandbox, row) for row in rows]
    return json_response(_page(data, total, asked.page, asked.per_page))


async def distribute(request: Request, team: int) -> Response:
    """Send a document."""
    sandbox = sandboxes.of(request)
    asked = check(Distribute, await json_object(request), errors.invalid_input)
    document = envelopes.find_to_send(sandbox, asked.envelope_id, team)
    people = sending.distribute(sandbox, document, asked.meta)
    if sandbox.faults.before_reply("DOCUMENT_SENT"):
        await request.app.state.sender.settle(document["id"])
    return _links(request, document["id"], people)


async def redistribute(request: Request, team: int) -> Response:
    """Remind recipients."""
    sandbox = sandboxes.of(request)
    asked = check(Redistribute, await json_object(request), errors.invalid_input)
    document = envelopes.find_to_send(sandbox, asked.envelope_id, team)
    return _links(request, document["id"], sending.redistribute(sandbox, document, asked.recipients))


async def cancel(request: Request, team: int) -> Response:
    """Cancel a pending document."""
    sandbox = sandboxes.of(request)
    asked = check(Cancel, await json_object(request), errors.invalid_input)
    sending.cancel(sandbox, envelopes.find(sandbox, asked.envelope_id, team, "DOCUMENT"), asked.reason)
    return json_response({"success": True})


async def delete(request: Request, team: int) -> Response:
    """Delete an envelope."""
    sandbox = sandboxes.of(request)
    asked = check(Delete, await json_object(request), errors.invalid_input)
    document = sandbox.store.find("documents", asked.envelope_id)
    if document is None:
        raise errors.not_found("Document")
    if document["team_id"] != team:
        raise errors.app_error("UNAUTHORIZED", "Not allowed")
    sending.delete(sandbox, document)
    return json_response({"success": True})


async def audit_log(request: Request, team: int) -> Response:
    """Return a page of the audit log."""
    sandbox = sandboxes.of(request)
    row = envelopes.find(sandbox, request.path_params["id"], team)
    asked = check(Pages, dict(request.query_params), errors.invalid_input)
    entries = audit.entries(sandbox, row["id"])
    if asked.order_by_direction == "asc":
        entries.reverse()
    start = (asked.page - 1) * asked.per_page
    shown = entries[start : start + asked.per_page]
    return json_response(_page(shown, len(entries), asked.page, asked.per_page))


async def _multipart(request: Request) -> tuple[dict[str, Any], list[Upload]]:
    """Read the JSON part `payload` and the files."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise errors.unsupported_media_type()
    fields, uploads = await bodies.form(request)
    parts = [upload.content for upload in uploads if upload.field == "payload"]
    text: str | bytes | None = parts[0] if parts else fields.get("payload")
    if text is None:
        raise errors.invalid_input([("payload", "Required")])
    payload = parse_json(text)
    if not isinstance(payload, dict):
        raise errors.invalid_input([("payload", "Expected object")])
    return payload, uploads


def _links(request: Request, envelope_id: str, people: list[dict[str, Any]]) -> Response:
    shown = [views.link(str(request.base_url), person) for person in people]
    return json_response({"success": True, "id": envelope_id, "recipients": shown})


def _page(data: list[dict[str, Any]], total: int, page: int, per_page: int) -> dict[str, Any]:
    pages = -(-total // per_page)
    return {"data": data, "count": total, "currentPage": page, "perPage": per_page, "totalPages": pages}


ROUTES = both(
    [
        ("POST", "/envelope/create", procedure("envelope.create", create)),
        ("POST", "/envelope/use", procedure("envelope.use", use)),
        ("GET", "/envelope", procedure("envelope.find", find)),
        ("POST", "/envelope/get-many", procedure("envelope.getMany", get_many)),
        ("POST", "/envelope/distribute", procedure("envelope.distribute", distribute)),
        ("POST", "/envelope/redistribute", procedure("envelope.redistribute", redistribute)),
        ("POST", "/envelope/cancel", procedure("envelope.cancel", cancel)),
        ("POST", "/envelope/delete", procedure("envelope.delete", delete)),
        ("GET", "/envelope/{id}/audit-log", procedure("envelope.auditLog.find", audit_log)),
        ("GET", "/envelope/{id}", procedure("envelope.get", get)),
    ]
)
