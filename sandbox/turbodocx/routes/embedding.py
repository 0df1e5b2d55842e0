"""Embedded signing: signing URLs and the organization's settings."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core.bodies import json_object
from sandbox.core.responses import json_response
from sandbox.core.validation import check, path_id
from sandbox.turbodocx import documents, errors, signing_links
from sandbox.turbodocx import sandbox as sandboxes
from sandbox.turbodocx.auth import members


async def signing_url(request: Request) -> Response:
    """Create a signing link for one recipient."""
    sandbox = sandboxes.of(request)
    document = documents.find(sandbox, path_id(request.path_params["id"], "documentId"))
    asked = check(signing_links.Asked, await json_object(request), errors.invalid)
    minted = signing_links.mint(sandbox, document, asked, str(request.base_url))
    return json_response({"data": {"results": minted}})


async def signing_link(request: Request) -> Response:
    """Create a signing link by the deprecated route."""
    sandbox = sandboxes.of(request)
    document = documents.find(sandbox, path_id(request.path_params["id"], "documentId"))
    recipient_id = path_id(request.path_params["recipient"], "recipientId")
    asked = signing_links.Asked(recipient_id=recipient_id)
    response = json_response(
        {"data": {"results": signing_links.mint(sandbox, document, asked, str(request.base_url))}}
    )
    response.headers["deprecation"] = "true"
    return response


async def settings(request: Request) -> Response:
    """Return the organization's settings."""
    behavior = sandboxes.of(request).behavior
    shown: dict[str, Any] = {
        "enabled": behavior.embedded_signing,
        "allowExternalIdv": behavior.allow_external_idv,
        "allowIdentityOverride": behavior.allow_identity_override,
        "defaultChannel": behavior.default_channel,
        "allowChannelOverride": behavior.allow_channel_override or behavior.default_channel == "none",
        "allowedFrameAncestors": list(behavior.allowed_frame_ancestors),
    }
    return json_response({"data": {"results": shown}})


ROUTES = [
    Route("/turbosign/embedded-signing-settings", members(settings), methods=["GET"]),
    Route("/turbosign/documents/{id}/signing-url", members(signing_url), methods=["POST"]),
    Route(
        "/turbosign/documents/{id}/recipients/{recipient}/signing-link",
        members(signing_link),
        methods=["GET"],
    ),
]
