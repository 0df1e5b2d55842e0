"""Authorization by API token: a token belongs to one team."""

import hmac
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sandbox.core.bodies import BodyError
from sandbox.core.errors import ApiError
from sandbox.documenso import errors
from sandbox.documenso import sandbox as sandboxes

Endpoint = Callable[[Request, int], Awaitable[Response]]
Guarded = Callable[[Request], Awaitable[Response]]

_TEAM: Final = 1
_OTHER_TEAM: Final = 2


def procedure(path: str, endpoint: Endpoint) -> Guarded:
    """Guard a route: `endpoint` gets the token's team, and `path` stands in error bodies."""

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request, team(request))
        except BodyError as error:
            raise errors.located(errors.unreadable(error), path) from None
        except ApiError as error:
            raise errors.located(error, path) from None

    return guarded


def download(endpoint: Endpoint) -> Guarded:
    """Guard a download route, whose errors have another shape and often another status."""

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        try:
            found = team(request)
        except ApiError as error:
            code = (error.body or {})["data"]["code"]
            if code == "EXPIRED_CODE":
                raise errors.download(500, "Something went wrong", code) from None
            raise errors.download(401, "Unauthorized", code) from None
        return await endpoint(request, found)

    return guarded


def team(request: Request) -> int:
    """Return the team of a request's token.

    Raises:
        ApiError: 401, no or unknown token; 400 `EXPIRED_CODE`, whose body says 401.
    """
    access = sandboxes.of(request).access
    header = request.headers.get("authorization", "").strip()
    if not header:
        raise errors.app_error("UNAUTHORIZED", "Invalid session or API token.")
    token = header.removeprefix("Bearer ").strip()
    if _same(token, access.expired_key):
        raise errors.app_error("EXPIRED_CODE", "Expired token", inner_status=401)
    if _same(token, access.api_key):
        return _TEAM
    if _same(token, access.other_key):
        return _OTHER_TEAM
    raise errors.app_error("UNAUTHORIZED", "Invalid token")


def _same(given: str, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())
