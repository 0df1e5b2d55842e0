"""`/turbosign/single/…`: prepare a document for signing or for review."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core.responses import json_response
from sandbox.core.store import Row
from sandbox.turbodocx import sandbox as sandboxes
from sandbox.turbodocx import sending, sources
from sandbox.turbodocx.auth import members
from sandbox.turbodocx.bodies import fields_and_file

_SENT = "Document sent for signing"
_SENT_SILENTLY = (
    "Document sent for signing. Signing-link emails were not sent (sendEmail: false); "
    "request a signing URL for each recipient."
)


async def prepare_for_signing(request: Request) -> Response:
    """Create a document and send it."""
    document, people = await _prepare(request, for_review=False)
    if sandboxes.of(request).faults.before_reply("signature.document.sent"):
        await request.app.state.sender.settle(document["id"])
    return json_response(
        _response(request, document, people, _SENT if document["send_email"] else _SENT_SILENTLY)
    )


async def prepare_for_review(request: Request) -> Response:
    """Create a document without asking signers."""
    document, people = await _prepare(request, for_review=True)
    preview = {"previewUrl": f"{request.base_url}_sandbox/review/{document['review_token']}"}
    return json_response(_response(request, document, people, "Document prepared for review") | preview)


async def _prepare(request: Request, *, for_review: bool) -> tuple[Row, list[Row]]:
    sandbox = sandboxes.of(request)
    body, upload = await fields_and_file(request, "file")
    source = await sources.read(sandbox, body, upload)
    prepared = sending.prepare(sandbox, body, source, for_review=for_review)
    return sending.commit(sandbox, prepared, for_review=for_review)


def _response(request: Request, document: Row, people: list[Row], message: str) -> dict[str, Any]:
    """Build the flat response of these routes, which has no signing links."""
    upper = sandboxes.of(request).behavior.reply_status_case == "upper"
    return {
        "success": True,
        "documentId": document["id"],
        "status": document["status"].upper() if upper else document["status"],
        "recipients": [
            {
                "id": person["id"],
                "name": person["name"],
                "email": person["email"],
                "signingOrder": person["signing_order"],
                "metadata": person["metadata"],
            }
            for person in people
        ],
        "message": message,
    }


ROUTES = [
    Route("/turbosign/single/prepare-for-signing", members(prepare_for_signing), methods=["POST"]),
    Route("/turbosign/single/prepare-for-review", members(prepare_for_review), methods=["POST"]),
]
