"""Fetch the document of a send from its link."""

import asyncio
from typing import Final

_SECONDS: Final = 15.0


class FetchError(Exception):
    """The link returned no document in time."""


async def fetch(link: str, limit: int) -> bytes:
    """Download a link; stop shortly after `limit` bytes.

    Raises:
        FetchError: The download failed or took longer than 15 s.
    """
    import httpx  # noqa: PLC0415 - keeps the start fast

    content = b""
    try:
        async with (
            asyncio.timeout(_SECONDS),
            httpx.AsyncClient(follow_redirects=True) as client,
            client.stream("GET", link) as response,
        ):
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > limit:
                    break
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise FetchError(type(error).__name__) from None
    return content
