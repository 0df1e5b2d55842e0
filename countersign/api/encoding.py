"""JSON bodies of responses."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def encoded(value: Any) -> bytes:
    """Write JSON in ASCII, so that a lone surrogate in a caller's key cannot break the response."""
    return json.dumps(value, separators=(",", ":")).encode()


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON value, or with bytes that are JSON."""
    body = content if isinstance(content, bytes) else encoded(content)
    return Response(body, status, dict(headers or {}), media_type="application/json")


def etag(content: bytes) -> str:
    """Return the entity tag of a body."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def matches(header: str | None, tag: str) -> bool:
    """Return whether an `If-None-Match` header names an entity tag; weak tags count (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    named = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in named or tag in named
