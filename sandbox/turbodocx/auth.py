"""Authorization by API key, organization and role."""

import hmac
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sandbox.turbodocx import errors
from sandbox.turbodocx import sandbox as sandboxes

Endpoint = Callable[[Request], Awaitable[Response]]

ADMINISTRATOR: Final = "administrator"
CONTRIBUTOR: Final = "contributor"

ORG_HEADER: Final = "x-rapiddocx-org-id"


def members(endpoint: Endpoint) -> Endpoint:
    """Guard a route that every key of the organization may use."""

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        if _role(request) is None:
            raise errors.typed(401, "Invalid or missing API key", "AuthenticationError")
        if not _organization_matches(request):
            raise errors.typed(403, "You do not have access to this organization", "AuthorizationError")
        return await endpoint(request)

    return guarded


def administrators(endpoint: Endpoint) -> Endpoint:
    """Guard a webhook route: administrators only; errors have no body."""

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        role = _role(request)
        if role is None:
            raise errors.silent(401)
        if role != ADMINISTRATOR or not _organization_matches(request):
            raise errors.silent(403)
        return await endpoint(request)

    return guarded


def _role(request: Request) -> str | None:
    access = sandboxes.of(request).access
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    if _same(key.strip(), access.api_key):
        return ADMINISTRATOR
    return CONTRIBUTOR if _same(key.strip(), access.member_key) else None


def _organization_matches(request: Request) -> bool:
    """Check the organization header against the only organization."""
    sandbox, given = sandboxes.of(request), request.headers.get(ORG_HEADER)
    if given is None:
        return not sandbox.behavior.require_org_header
    return _same(given.strip().lower(), sandbox.access.org_id.lower())


def _same(given: str, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())
