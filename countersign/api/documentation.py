"""How routes are described in the OpenAPI document."""

from typing import Any, Final

from countersign.api import problems
from countersign.api.problems import MEDIA_TYPE, Kind

Responses = dict[int | str, dict[str, Any]]
"""Responses by status, as FastAPI takes them."""

_SEEN_EVERYWHERE: Final = (
    problems.UNAUTHORIZED,
    problems.FORBIDDEN,
    problems.INVALID,
    problems.THROTTLED,
    problems.UNAVAILABLE,
)
_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_SECONDS: Final = {"description": "Seconds to wait before the next request.", "schema": {"type": "integer"}}
_TEXT: Final = {"type": "string"}
RETRY_AFTER: Final = {"Retry-After": _SECONDS}
LOCATION: Final = {"Location": {"description": "The agreement's path.", "schema": _TEXT}}
ETAG: Final = {"ETag": {"description": "Changes when the body changes.", "schema": _TEXT}}
BODY: Final = (problems.MALFORMED, problems.TOO_LARGE, problems.MEDIA)
"""What can be wrong with any body."""


def errors(*kinds: Kind) -> Responses:
    """Describe the problems that a route can end in, with those that every route has."""
    by_status: dict[int, list[Kind]] = {}
    for kind in (*kinds, *_SEEN_EVERYWHERE):
        by_status.setdefault(int(kind.status), []).append(kind)
    return {status: _described(status, found) for status, found in sorted(by_status.items())}


def _described(status: int, kinds: list[Kind]) -> dict[str, Any]:
    example = {"type": kinds[0].urn, "title": kinds[0].title, "status": status}
    headers: dict[str, Any] = {}
    if status in {problems.THROTTLED.status, problems.UNAVAILABLE.status}:
        headers = RETRY_AFTER
    if status in {problems.UNAUTHORIZED.status, problems.FORBIDDEN.status}:
        headers = {"WWW-Authenticate": {"description": "RFC 6750.", "schema": _TEXT}}
    return {
        "description": " ".join(dict.fromkeys(f"`{kind.name}`: {kind.title}" for kind in kinds)),
        "content": {MEDIA_TYPE: {"schema": _PROBLEM, "example": example}},
        "headers": headers,
    }
