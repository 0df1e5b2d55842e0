"""A request's body: read as the raw bytes that were signed, never more of them than allowed."""

from starlette.requests import ClientDisconnect, Request

from countersign.webhooks.outcome import DeliveryOutcome
from countersign.webhooks.refusal import RefusedError


async def read_body(request: Request, limit: int) -> bytes:
    """Read the body.

    Args:
        request: Not read yet.
        limit: Bytes; more are refused by what the headers say, or else as soon as they arrive.

    Raises:
        RefusedError: It is too large, compressed, framed in two ways, or the caller left.
    """
    _check_headers(request, limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise RefusedError(DeliveryOutcome.TOO_LARGE)
    except ClientDisconnect:
        raise RefusedError(DeliveryOutcome.GONE) from None
    return bytes(body)


def _check_headers(request: Request, limit: int) -> None:
    headers = request.headers
    length = headers.get("content-length")
    if length is not None and "transfer-encoding" in headers:
        raise RefusedError(DeliveryOutcome.AMBIGUOUS)  # a proxy before us may have believed the other one
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedError(DeliveryOutcome.ENCODED)
    if length is not None and int(length) > limit:  # digits, or the protocol has refused it
        raise RefusedError(DeliveryOutcome.TOO_LARGE)
