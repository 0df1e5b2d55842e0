"""Downloads: files, certificate and audit log. Their errors have a shape of their own."""

import json
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.core import pdf
from sandbox.core.responses import MEDIA_TYPES, attachment
from sandbox.core.store import Row
from sandbox.documenso import audit, envelopes, errors, marks
from sandbox.documenso import sandbox as sandboxes
from sandbox.documenso.auth import download
from sandbox.documenso.routes.paths import both
from sandbox.documenso.sandbox import Sandbox

_NOT_PENDING: Final = {
    "DRAFT": "ENVELOPE_DRAFT",
    "COMPLETED": "ENVELOPE_COMPLETED",
    "REJECTED": "ENVELOPE_REJECTED",
    "CANCELLED": "INVALID_REQUEST",
}


async def item(request: Request, team: int) -> Response:
    """Serve a file; `signed` of an unfinished envelope is its present file, without signatures."""
    sandbox = sandboxes.of(request)
    row = sandbox.store.find("items", request.path_params["id"])
    document = None if row is None else envelopes.visible(sandbox, row["document_id"], team)
    if row is None or document is None:
        raise errors.download(404, "Envelope item not found")
    version = request.query_params.get("version", "signed")
    content = _content(sandbox, document, row, version)
    suffix = "" if version == "original" else f"_{version}"
    return attachment(content, f"{row['title'].removesuffix('.pdf')}{suffix}.pdf", MEDIA_TYPES["pdf"])


async def certificate(request: Request, team: int) -> Response:
    """Serve the signing certificate of a completed or rejected envelope."""
    sandbox, document = _find(request, team)
    if document["status"] not in {"COMPLETED", "REJECTED"}:
        raise errors.download(500, "Something went wrong", "DOCUMENT_NOT_COMPLETE")
    lines = [("title", "Signing Certificate"), ("text", document["name"]), ("text", document["id"])]
    for person in envelopes.recipients(sandbox, document["id"]):
        ended = f"{person['status']} {person['signed_on'] or ''} {person['rejection_reason'] or ''}"
        lines += [("heading", f"{person['name']} <{person['email']}>"), ("text", ended)]
    return _pdf(document, "certificate", lines)


async def audit_log(request: Request, team: int) -> Response:
    """Serve the audit log as a PDF."""
    sandbox, document = _find(request, team)
    lines = [("title", "Audit Log"), ("text", document["name"]), ("text", document["id"])]
    for entry in reversed(audit.entries(sandbox, document["id"])):
        lines += [
            ("heading", f"{entry['createdAt']} {entry['type']}"),
            ("text", json.dumps(entry["data"])),
        ]
    return _pdf(document, "audit_log", lines)


async def signing_page(request: Request) -> Response:
    """Lead a signing link to the signing page."""
    return RedirectResponse(f"/_sandbox/sign/{request.path_params['token']}")


async def embedded_page(request: Request) -> Response:
    """Lead a link for a frame to the signing page."""
    return RedirectResponse(f"/_sandbox/embed/{request.path_params['token']}")


def _content(sandbox: Sandbox, document: Row, row: Row, version: str) -> bytes:
    original = sandbox.store.file(row["id"]) or b""
    if version == "original":
        return original
    if version == "signed":
        return sandbox.store.file(f"{row['id']}.signed") or original
    if version != "pending":
        raise errors.download(400, "Invalid version", "INVALID_REQUEST")
    if document["status"] in _NOT_PENDING:
        raise errors.download(400, "The envelope is not pending", _NOT_PENDING[document["status"]])
    return pdf.stamp(original, marks.marks(sandbox, document, row))


def _find(request: Request, team: int) -> tuple[Sandbox, Row]:
    sandbox = sandboxes.of(request)
    document = envelopes.visible(sandbox, request.path_params["id"], team)
    if document is None:
        raise errors.download(404, "Envelope not found", "NOT_FOUND")
    return sandbox, document


def _pdf(document: Row, name: str, lines: list[tuple[str, str]]) -> Response:
    content = pdf.render(document["name"], lines)
    return attachment(content, f"{document['name']}_{name}.pdf", MEDIA_TYPES["pdf"])


ROUTES = [
    *both(
        [
            ("GET", "/envelope/item/{id}/download", download(item)),
            ("GET", "/envelope/{id}/certificate/download", download(certificate)),
            ("GET", "/envelope/{id}/audit-log/download", download(audit_log)),
        ]
    ),
    Route("/sign/{token}", signing_page, methods=["GET"]),
    Route("/embed/sign/{token}", embedded_page, methods=["GET"]),
]
