"""Signing inside one's own application: signing URLs, and what the organisation allows."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import documents, errors, signing_links
from sandbox import sandbox as sandboxes
from sandbox.auth import members
from sandbox.bodies import json_object
from sandbox.replies import reply
from sandbox.validation import check, path_id


async def signing_url(request: Request) -> Response:
    """Make a link for one recipient."""
    sandbox = sandboxes.of(request)
    document = documents.find(sandbox, path_id(request.path_params["id"], "documentId"))
    asked = check(signing_links.Asked, await json_object(request), errors.invalid)
    minted = signing_links.mint(sandbox, document, asked, str(request.base_url))
    return reply({"data": {"results": minted}})


async def signing_link(request: Request) -> Response:
    """Do the same in the deprecated way."""
    sandbox = sandboxes.of(request)
    document = documents.find(sandbox, path_id(request.path_params["id"], "documentId"))
    recipient_id = path_id(request.path_params["recipient"], "recipientId")
    asked = signing_links.Asked(recipient_id=recipient_id)
    answer = reply({"data": {"results": signing_links.mint(sandbox, document, asked, str(request.base_url))}})
    answer.headers["deprecation"] = "true"
    return answer


async def settings(request: Request) -> Response:
    """Show what the organisation allows."""
    behaviour = sandboxes.of(request).behaviour
    shown: dict[str, Any] = {
        "enabled": behaviour.embedded_signing,
        "allowExternalIdv": behaviour.allow_external_idv,
        "allowIdentityOverride": behaviour.allow_identity_override,
        "defaultChannel": behaviour.default_channel,
        "allowChannelOverride": behaviour.allow_channel_override or behaviour.default_channel == "none",
        "allowedFrameAncestors": [],
    }
    return reply({"data": {"results": shown}})


ROUTES = [
    Route("/turbosign/embedded-signing-settings", members(settings), methods=["GET"]),
    Route("/turbosign/documents/{id}/signing-url", members(signing_url), methods=["POST"]),
    Route(
        "/turbosign/documents/{id}/recipients/{recipient}/signing-link",
        members(signing_link),
        methods=["GET"],
    ),
]
