"""TurboDocx's error bodies. Their shape depends on the route."""

from collections.abc import Sequence
from typing import Any

from sandbox.core.errors import ApiError, invalid, typed

__all__ = [
    "ApiError",
    "document_not_found",
    "domain",
    "identity",
    "ineligible_recipients",
    "invalid",
    "silent",
    "single_step",
    "typed",
]


def domain(status: int, message: str, code: str, data: dict[str, Any] | None = None) -> ApiError:
    """Build `{message, error}`, where `error` is a code: deliverables, webhooks, schedules."""
    body: dict[str, Any] = {"message": message, "error": code}
    return ApiError(status, body if data is None else body | {"data": data})


def single_step(message: str, code: str, *, status: int = 400, details: Any = None) -> ApiError:
    """Build `{error, code}`: the single-step send routes."""
    body = {"error": message, "code": code}
    return ApiError(status, body if details is None else body | {"details": details})


def identity(status: int, message: str, code: str) -> ApiError:
    """Build `{message, type, error, code}`, with message and code twice: identity checks and signing URLs."""
    return ApiError(status, {"message": message, "type": code, "error": message, "code": code})


def ineligible_recipients(message: str, recipient_ids: Sequence[str]) -> ApiError:
    """Build the 400 of resend and reminder, with the ids of ineligible recipients."""
    return ApiError(400, {"error": message, "invalidRecipientIds": list(recipient_ids)})


def silent(status: int) -> ApiError:
    """Build the webhook routes' 401 and 403: a status without a body."""
    return ApiError(status, None)


def document_not_found() -> ApiError:
    """Build the 404 of every document route."""
    return typed(404, "Document not found", "DocumentNotFound")
