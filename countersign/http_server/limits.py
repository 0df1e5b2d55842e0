"""Limits on requests, and the reasons for which a request is rejected before an application handles it."""

from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Final

from starlette.requests import ClientDisconnect, Request

RETRY_AFTER_SECONDS: Final = 5
"""`Retry-After` of a response with status 503."""


class Rejection(StrEnum):
    """Why a request or a connection was rejected."""

    AMBIGUOUS = "ambiguous"
    """`Content-Length` and `Transfer-Encoding` disagree about where the body ends."""
    ENCODED = "encoded"
    """The body is compressed. It is never inflated, so it cannot exhaust the memory."""
    TOO_LARGE = "too_large"
    GONE = "gone"
    """The caller closed the connection before the body was complete."""
    NOT_HTTP = "not_http"
    SLOW = "slow"
    """The request was not complete in time. The connection is closed without a response."""
    CROWDED = "crowded"
    """Too many connections are open."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS.get(self, 400)


_STATUS: Final = {
    Rejection.SLOW: 408,
    Rejection.TOO_LARGE: 413,
    Rejection.ENCODED: 415,
    Rejection.CROWDED: 503,
}


class RejectedRequestError(Exception):
    """The request exceeds a limit.

    Args:
        rejection: The reason.
    """

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection)
        self.rejection = rejection


async def read_body(request: Request, limit: int) -> bytes:
    """Read a request's body as raw bytes.

    Args:
        request: The request; its body has not been read.
        limit: Bytes. A longer body is rejected by its `Content-Length`, or as soon as it exceeds the limit.

    Raises:
        RejectedRequestError: The body is too large, compressed, ambiguous or incomplete.
    """
    return b"".join([chunk async for chunk in body_chunks(request, limit)])


async def body_chunks(request: Request, limit: int) -> AsyncGenerator[bytes]:
    """Yield a request's body in chunks as they come; see `read_body`."""
    _check_headers(request, limit)
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise RejectedRequestError(Rejection.TOO_LARGE)
            yield chunk
    except ClientDisconnect:
        raise RejectedRequestError(Rejection.GONE) from None


def _check_headers(request: Request, limit: int) -> None:
    headers = request.headers
    length = headers.get("content-length")
    if length is not None and "transfer-encoding" in headers:
        raise RejectedRequestError(Rejection.AMBIGUOUS)  # a proxy may have used the other header
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RejectedRequestError(Rejection.ENCODED)
    if length is not None and int(length) > limit:  # h11 rejects a length that is not digits
        raise RejectedRequestError(Rejection.TOO_LARGE)
