"""`/_sandbox/documents/…`: acts of signers and of other members, which the real API cannot do."""

import json
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import documents, errors, pdf, sending, signing
from sandbox import sandbox as sandboxes
from sandbox.bodies import json_object
from sandbox.clock import iso
from sandbox.responses import json_response
from sandbox.sandbox import Sandbox
from sandbox.sources import Source
from sandbox.store import Row
from sandbox.validation import Body, check, path_id


class Signer(Body):
    """A recipient of a document made by hand."""

    name: str
    email: str


class Manual(Body):
    """A document that a member of the organization makes and sends in the dashboard."""

    model_config = ConfigDict(extra="forbid", strict=False)

    title: str
    text: str = "A document made by hand."
    recipients: list[Signer]
    sender_name: str = "Another Member"
    sender_email: str = "member@example.com"
    created_on: AwareDatetime | None = None


class Complete(Body):
    """Result of the finalization after the last signature."""

    model_config = ConfigDict(extra="forbid")

    finalization: Annotated[str, Field(pattern="^(ok|fails)$")] = "ok"


class Sign(Body):
    """A signer's entries by field number."""

    model_config = ConfigDict(extra="forbid")

    entries: dict[str, str | bool] | None = None


class Finalize(Body):
    """Whether a later finalization emits `completed`."""

    model_config = ConfigDict(extra="forbid")

    announce: bool = True


async def list_documents(request: Request) -> Response:
    """List documents with titles and recipients, filtered by `?title=`."""
    sandbox, wanted = sandboxes.of(request), request.query_params.get("title", "")
    rows = sandbox.store.rows("SELECT * FROM documents ORDER BY seq")
    return json_response({"documents": [_shown(sandbox, row) for row in rows if wanted in row["name"]]})


async def get_document(request: Request) -> Response:
    """Return one document."""
    sandbox = sandboxes.of(request)
    return json_response(_shown(sandbox, documents.find(sandbox, path_id(request.path_params["id"]))))


async def create_document(request: Request) -> Response:
    """Create and send a document as another member; `created_on` backdates it."""
    sandbox, asked = sandboxes.of(request), check(Manual, await json_object(request), errors.invalid)
    content = pdf.render(asked.title, [("text", asked.text)])
    body = {
        "documentName": asked.title,
        "senderName": asked.sender_name,
        "senderEmail": asked.sender_email,
        "recipients": json.dumps([signer.model_dump() for signer in asked.recipients]),
        "fields": json.dumps(
            [
                {"type": "signature", "recipientEmail": signer.email, "page": 1}
                | {"x": 60, "y": 300 + 60 * number, "width": 200, "height": 40}
                for number, signer in enumerate(asked.recipients)
            ]
        ),
    }
    prepared = sending.prepare(sandbox, body, Source(content, "manual.pdf", "manual"), for_review=False)
    created_on = None if asked.created_on is None else iso(asked.created_on)
    document, _ = sending.commit(sandbox, prepared, for_review=False, created_on=created_on)
    return json_response(_shown(sandbox, documents.find(sandbox, document["id"])))


async def complete(request: Request) -> Response:
    """Sign for all remaining signers, in their order."""
    sandbox, document_id = sandboxes.of(request), path_id(request.path_params["id"])
    asked = check(Complete, await json_object(request), errors.invalid)
    documents.find(sandbox, document_id)
    with sandbox.store.transaction():
        sandbox.store.update("documents", document_id, finalization_fails=asked.finalization == "fails")
        signing.sign_all(sandbox, document_id)
    return await get_document(request)


async def finalize(request: Request) -> Response:
    """Finalize a document whose finalization has failed."""
    sandbox, document_id = sandboxes.of(request), path_id(request.path_params["id"])
    asked = check(Finalize, await json_object(request), errors.invalid)
    signing.finalize(sandbox, document_id, announce=asked.announce)
    return await get_document(request)


async def sign(request: Request) -> Response:
    """Sign as one recipient."""
    sandbox, asked = sandboxes.of(request), check(Sign, await json_object(request), errors.invalid)
    signing.sign(sandbox, *_ids(request), entries=asked.entries)
    return await get_document(request)


async def view(request: Request) -> Response:
    """Open the document as one recipient."""
    signing.view(sandboxes.of(request), *_ids(request))
    return await get_document(request)


def _ids(request: Request) -> tuple[str, str]:
    return path_id(request.path_params["id"]), path_id(request.path_params["recipient"], "recipientId")


_SHOWN: Final = (
    *("id", "name", "description", "file_name", "source", "fields", "status"),
    *("sender_name", "sender_email", "cc_emails"),
    *("created_on", "sent_on", "expires_at", "completed_at", "document_hash"),
)


def _shown(sandbox: Sandbox, document: Row) -> dict[str, Any]:
    people = documents.recipients(sandbox, document["id"])
    return {key: document[key] for key in _SHOWN} | {
        "recipients": [
            {
                key: person[key]
                for key in ("id", "name", "email", "status", "signing_order", "viewed_on", "signed_on")
            }
            for person in people
        ]
    }


ROUTES = [
    Route("/_sandbox/documents", list_documents, methods=["GET"]),
    Route("/_sandbox/documents", create_document, methods=["POST"]),
    Route("/_sandbox/documents/{id}", get_document, methods=["GET"]),
    Route("/_sandbox/documents/{id}/complete", complete, methods=["POST"]),
    Route("/_sandbox/documents/{id}/finalize", finalize, methods=["POST"]),
    Route("/_sandbox/documents/{id}/recipients/{recipient}/sign", sign, methods=["POST"]),
    Route("/_sandbox/documents/{id}/recipients/{recipient}/view", view, methods=["POST"]),
]
