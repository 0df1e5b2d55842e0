"""Error responses: the exception of all sandboxes, and the shapes of the control API."""

from collections.abc import Sequence
from typing import Any


class ApiError(Exception):
    """An error response.

    Args:
        status: HTTP status.
        body: JSON body; None for an empty one.
    """

    def __init__(self, status: int, body: dict[str, Any] | None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def invalid(problems: Sequence[tuple[str, str]], *, part: str = "body") -> ApiError:
    """Build the 400 of an invalid request: every problem as (path, message)."""
    errors = [{"path": path, "message": message} for path, message in problems]
    return ApiError(
        400,
        {
            "message": f"There was an issue validating the {part}",
            "type": "ValidationError",
            "data": {"errors": errors},
        },
    )


def typed(status: int, message: str, kind: str) -> ApiError:
    """Build `{message, type}`."""
    return ApiError(status, {"message": message, "type": kind})
