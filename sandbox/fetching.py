"""Fetching a document from a link that a send names."""

import asyncio
from typing import Final

_SECONDS: Final = 15.0


class FetchError(Exception):
    """Nothing could be had from the link in time."""


async def fetch(link: str, limit: int) -> bytes:
    """Read what a link leads to, a little more than `limit` bytes at most.

    Raises:
        FetchError: It leads nowhere, or takes longer than 15 s.
    """
    import httpx  # noqa: PLC0415 - few need it, and a start must be quick

    content = b""
    try:
        async with (
            asyncio.timeout(_SECONDS),
            httpx.AsyncClient(follow_redirects=True) as client,
            client.stream("GET", link) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > limit:
                    break
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise FetchError(type(error).__name__) from None
    return content
