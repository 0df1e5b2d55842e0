"""Documenso's error bodies.

Application errors have `INTERNAL_SERVER_ERROR` as their top-level code, whatever the status; their own code
stands in `data`. The download routes have a shape of their own.
"""

from collections.abc import Sequence
from typing import Any, Final

from sandbox.core.bodies import BodyError
from sandbox.core.errors import ApiError

_STATUSES: Final = {
    "UNAUTHORIZED": 401,
    "TWO_FACTOR_AUTH_FAILED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "TOO_MANY_REQUESTS": 429,
    "UNKNOWN_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
}
_INTERNAL: Final = "INTERNAL_SERVER_ERROR"


def app_error(code: str, message: str, *, inner_status: int | None = None) -> ApiError:
    """Build an application error; its HTTP status follows from its code, and unknown codes are 400.

    `inner_status` is the status that the body claims, if it is another one.
    """
    status = _STATUSES.get(code, 400)
    data = {
        "code": code,
        "httpStatus": inner_status or status,
        "appError": {"code": code, "message": message},
    }
    return ApiError(status, {"message": message, "code": _INTERNAL, "data": data})


def plain(message: str) -> ApiError:
    """Build the 500 of an error without a code, permanent ones included."""
    data = {"code": _INTERNAL, "httpStatus": 500}
    return ApiError(500, {"message": message, "code": _INTERNAL, "data": data})


def invalid_input(problems: Sequence[tuple[str, str]]) -> ApiError:
    """Build the 400 of the schema validation, with every problem."""
    issues = [
        {"code": "custom", "path": path.split("."), "message": message.removeprefix(f'"{path}" ')}
        for path, message in problems
    ]
    return _framework(400, "BAD_REQUEST", "Input validation failed", issues=issues)


def unreadable(error: BodyError) -> ApiError:
    """Build the response to a body that cannot be read."""
    match error.reason:
        case "json":
            return _framework(400, "PARSE_ERROR", "Failed to parse request body")
        case "object":
            return invalid_input([("body", "Expected object")])
        case "form":
            return _framework(400, "PARSE_ERROR", "Failed to parse form data")
        case "size":
            return _framework(413, "PAYLOAD_TOO_LARGE", "Payload too large")
        case "disconnect":
            return _framework(499, "CLIENT_CLOSED_REQUEST", "Client closed request")


def unsupported_media_type() -> ApiError:
    """Build the 415 of a create that is no multipart form."""
    return _framework(415, "UNSUPPORTED_MEDIA_TYPE", "Unsupported content-type")


def no_route() -> ApiError:
    """Build the response to an unknown path."""
    return ApiError(404, {"message": "Not found", "code": "NOT_FOUND"})


def not_found(what: str = "Envelope") -> ApiError:
    """Build the 404 of a missing object."""
    return app_error("NOT_FOUND", f"{what} not found")


def download(status: int, message: str, code: str | None = None) -> ApiError:
    """Build `{error, code}`: the download routes."""
    return ApiError(status, {"error": message} | ({} if code is None else {"code": code}))


def located(error: ApiError, path: str) -> ApiError:
    """Add the procedure's name to an error."""
    if error.body is None or "data" not in error.body:
        return error
    return ApiError(error.status, error.body | {"data": error.body["data"] | {"path": path}})


def _framework(status: int, code: str, message: str, **more: Any) -> ApiError:
    data = {"code": code, "httpStatus": status}
    return ApiError(status, {"message": message, "code": code, **more, "data": data})
