"""Check the `Host` header, against web pages that rebind their name to this machine (DNS rebinding)."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.core import errors
from sandbox.core.responses import json_response


class HostMiddleware:
    """Rejects requests for unknown host names with 421.

    IP addresses and `localhost` are always known: a page of another site cannot rebind them.

    Args:
        app: Gets the other requests.
        names: Further names, in lower case.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = frozenset(names) | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its host is known."""
        if scope["type"] != "http" or self._is_known(Request(scope).headers.get("host", "")):
            await self._app(scope, receive, send)
            return
        error = errors.typed(421, "Unknown host: start the sandbox with --allow-host", "MisdirectedRequest")
        await json_response(error.body, error.status)(scope, receive, send)

    def _is_known(self, header: str) -> bool:
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
