"""`/turbosign/documents/{id}/…`: the state of a document, and what its sender can do."""

from typing import Annotated

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core.bodies import json_object
from sandbox.core.responses import MEDIA_TYPES, attachment, json_response
from sandbox.core.store import Row
from sandbox.core.validation import Body, Guid, Query, check, path_id
from sandbox.turbodocx import audit, documents, errors, presigned, reminders, signing
from sandbox.turbodocx import document_views as views
from sandbox.turbodocx import sandbox as sandboxes
from sandbox.turbodocx.auth import members


class Void(Body):
    """The body of a void."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Resend(Body):
    """The body of a resend."""

    recipient_ids: Annotated[list[Guid], Field(min_length=1, max_length=100)]


class Remind(Body):
    """The body of a reminder."""

    recipient_ids: Annotated[list[Guid], Field(min_length=1, max_length=100)] | None = None


class Listing(Query):
    """The query of the undocumented list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    offset: Annotated[int, Field(ge=0, le=2**53)] = 0


async def status(request: Request) -> Response:
    """Return the document's status."""
    document = _find(request)
    shown = {"status": document["status"]}
    return json_response(
        {"data": shown | ({"expiresAt": document["expires_at"]} if document["expires_at"] else {})}
    )


async def recipients(request: Request) -> Response:
    """Return the status of all recipients."""
    sandbox, document = sandboxes.of(request), _find(request)
    people = documents.recipients(sandbox, document["id"])
    shown = [views.recipient(sandbox, document, person) for person in people]
    return json_response(
        {
            "data": {
                "document": views.document(document),
                "recipients": shown,
                "summary": views.summary(shown),
            }
        }
    )


async def download(request: Request) -> Response:
    """Return a link to the signed PDF of a completed document."""
    sandbox, document = sandboxes.of(request), _find(request)
    if document["status"] != "completed":
        raise errors.typed(400, "Document is not completed", "DocumentNotCompleted")
    url = presigned.link(sandbox, str(request.base_url), document["id"])
    return json_response({"downloadUrl": url, "fileName": _file_name(document)})


async def storage(request: Request) -> Response:
    """Return a signed PDF for a valid link."""
    sandbox, document_id = sandboxes.of(request), request.path_params["id"]
    authorized = "authorization" in request.headers
    problem = presigned.problem(sandbox, document_id, dict(request.query_params), authorized=authorized)
    if problem is not None:
        return Response(problem[1], problem[0], media_type="application/xml")
    document = documents.find(sandbox, document_id)
    content = sandbox.store.file(f"{document_id}.signed") or b""
    return attachment(content, _file_name(document), MEDIA_TYPES["pdf"])


async def audit_trail(request: Request) -> Response:
    """Return the audit trail."""
    sandbox, document = sandboxes.of(request), _find(request)
    shown = {"id": document["id"], "name": document["name"]}
    return json_response({"data": {"document": shown, "auditTrail": audit.trail(sandbox, document)}})


async def void(request: Request) -> Response:
    """Void the document."""
    document, body = _find(request), await json_object(request)
    asked = check(Void, body, errors.invalid)
    voided = signing.void(sandboxes.of(request), document["id"], asked.reason)
    return json_response(
        {
            "data": {
                "id": voided["id"],
                "name": voided["name"],
                "status": voided["status"],
                "voidReason": voided["void_reason"],
                "voidedAt": voided["voided_at"],
            }
        }
    )


async def resend(request: Request) -> Response:
    """Send the invitation again, to all given recipients or to none."""
    document, body = _find(request), await json_object(request)
    asked = check(Resend, body, errors.invalid)
    count = reminders.resend(sandboxes.of(request), document, asked.recipient_ids)
    return json_response({"data": {"success": True, "recipientCount": count}})


async def remind(request: Request) -> Response:
    """Remind the signers that are next."""
    document, body = _find(request), await json_object(request)
    asked = check(Remind, body, errors.invalid)
    results = reminders.remind(sandboxes.of(request), document, asked.recipient_ids)
    return json_response({"data": {"results": results}})


async def list_all(request: Request) -> Response:
    """List documents, newest first. The provider does not document the shape."""
    sandbox = sandboxes.of(request)
    asked = check(Listing, dict(request.query_params), lambda found: errors.invalid(found, part="query"))
    rows = sandbox.store.rows(
        "SELECT * FROM documents ORDER BY seq DESC LIMIT ? OFFSET ?", asked.limit, asked.offset
    )
    total = sandbox.store.row("SELECT COUNT(*) AS n FROM documents")
    results = [views.document(row) for row in rows]
    return json_response({"data": {"results": results, "totalRecords": total["n"] if total else 0}})


def _find(request: Request) -> Row:
    return documents.find(sandboxes.of(request), path_id(request.path_params["id"], "documentId"))


def _file_name(document: Row) -> str:
    return f"{document['name']}.pdf"


ROUTES = [
    Route("/turbosign/documents/signature-documents", members(list_all), methods=["GET"]),
    Route("/turbosign/documents/{id}/status", members(status), methods=["GET"]),
    Route("/turbosign/documents/{id}/recipients", members(recipients), methods=["GET"]),
    Route("/turbosign/documents/{id}/download", members(download), methods=["GET"]),
    Route("/turbosign/documents/{id}/audit-trail", members(audit_trail), methods=["GET"]),
    Route("/turbosign/documents/{id}/void", members(void), methods=["POST"]),
    Route("/turbosign/documents/{id}/resend-email", members(resend), methods=["POST"]),
    Route("/turbosign/documents/{id}/send-reminder", members(remind), methods=["POST"]),
    Route("/_sandbox/storage/{id}.pdf", storage, methods=["GET"]),
]
