"""Paths of the API: `/api/v2`, and its alias `/api/v2-beta`."""

from collections.abc import Sequence
from typing import Final

from starlette.routing import Route

from sandbox.documenso.auth import Guarded

PREFIXES: Final = ("/api/v2", "/api/v2-beta")


def both(routes: Sequence[tuple[str, str, Guarded]]) -> list[Route]:
    """Serve (method, path, endpoint) under both prefixes."""
    return [
        Route(f"{prefix}{path}", endpoint, methods=[method])
        for prefix in PREFIXES
        for method, path, endpoint in routes
    ]
