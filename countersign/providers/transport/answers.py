"""Read the responses of a provider's API, up to a limit, and parse them."""

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, Final, TypeVar, cast

import httpx

from countersign.providers.calls import Call
from countersign.providers.outcomes import broken

T = TypeVar("T")

ANSWER_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a decoded response. A larger one, or a compression bomb, breaks the contract."""
ERROR_LIMIT: Final = 64 * 1024
"""Bytes of an error body, decoded; the rest is not read. No error that explains itself is longer."""

_PACKED: Final = frozenset({"gzip", "deflate", "br", "zstd"})
"""What httpx may unpack. We ask for gzip: others, or one in another, make gigabytes of a kilobyte at once."""


class AnswerTooLargeError(Exception):
    """A response over `ANSWER_LIMIT`."""


async def read_body(response: httpx.Response) -> bytes:
    """Read a body, decoded; of an error at most `ERROR_LIMIT` bytes.

    Raises:
        AnswerTooLargeError: A 2xx body is longer than `ANSWER_LIMIT`.
        httpx.HTTPError: It broke off, or is not encoded as it says.
    """
    body = bytearray()
    async for chunk in chunks(response):
        body += chunk
        if not response.is_success and len(body) > ERROR_LIMIT:
            break
        if len(body) > ANSWER_LIMIT:
            raise AnswerTooLargeError
    return bytes(body if response.is_success else body[:ERROR_LIMIT])


def chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """Read a body piece by piece, decoded.

    Raises:
        httpx.HTTPError: While it is read; at once if it is encoded in a way that we do not take.
    """
    if "Content-Encoding" not in response.headers:  # then httpx's decoding, counting is for nothing
        return aiter(cast("AsyncIterable[bytes]", response.stream))
    codings = response.headers.get_list("Content-Encoding", split_commas=True)
    packed = [item for item in map(str.lower, codings) if item in _PACKED]
    if packed not in ([], ["gzip"]):
        raise httpx.DecodingError("packed in a way that was not asked for")
    return response.aiter_bytes()


def parse_answer(call: Call, headers: httpx.Headers, body: bytes, parse: Callable[[Any], T]) -> T:
    """Read a 2xx answer's JSON, or None where it is empty, with the call's own parser.

    Raises:
        ContractBrokenError: A read got another response.
        OutcomeUnknownError: A write was.
    """
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json" and not media_type.endswith("+json"):
        raise broken("not as JSON", operation=call.operation, writes=call.writes)
    try:
        return parse(json.loads(body.decode()) if body else None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise broken("not with what it must hold", operation=call.operation, writes=call.writes) from None


def json_or_none(body: bytes) -> Any:
    """Read the body of an error response, which may hold anything."""
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
