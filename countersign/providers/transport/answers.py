"""Answers of a provider's API: read up to a limit, and read as what they must hold."""

import json
from collections.abc import AsyncIterable, Callable
from typing import Any, Final, TypeVar, cast

import httpx

from countersign.providers.calls import Call
from countersign.providers.outcomes import broken

T = TypeVar("T")

ANSWER_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of an answer, decoded; a larger one (or a compression bomb) breaks the contract."""


class AnswerTooLargeError(Exception):
    """An answer over `ANSWER_LIMIT`."""


async def read_body(response: httpx.Response) -> bytes:
    """Read a body, decoded.

    Raises:
        AnswerTooLargeError: There is more of it than any answer needs.
        httpx.HTTPError: It broke off, or is not encoded as it says.
    """
    body = bytearray()
    plain = (
        "Content-Encoding" not in response.headers
    )  # then httpx's decoding, chunking, counting is for nothing
    async for chunk in cast("AsyncIterable[bytes]", response.stream) if plain else response.aiter_bytes():
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise AnswerTooLargeError
    return bytes(body)


def parse_answer(call: Call, headers: httpx.Headers, body: bytes, parse: Callable[[Any], T]) -> T:
    """Read a 2xx answer's JSON, or None where it is empty, with the call's own parser.

    Raises:
        ContractBrokenError: A read was answered by something else.
        OutcomeUnknownError: A write was.
    """
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json" and not media_type.endswith("+json"):
        raise broken("not as JSON", operation=call.operation, writes=call.writes)
    try:
        return parse(json.loads(body.decode()) if body else None)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise broken("not with what it must hold", operation=call.operation, writes=call.writes) from None


def json_or_none(body: bytes) -> Any:
    """Read the body of an error, which may be anything."""
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
