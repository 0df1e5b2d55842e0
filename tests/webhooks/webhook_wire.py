"""HTTP by hand, for what no client would send."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from tests.webhooks.webhook_deliveries import PATH


async def connect(
    url: str, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port, ssl=context)


async def exchange(url: str, *chunks: bytes, leave: bool = False) -> bytes:
    """Send chunks on one connection and return all that comes back until the other side closes.

    `leave` closes our side after the last chunk without reading.
    """
    reader, writer = await connect(url)
    try:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        return b"" if leave else await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def request(
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = PATH,
) -> bytes:
    """A request that asks to close the connection after it, with exactly these headers."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = [f"{method} {path} HTTP/1.1", "Host: door", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in pairs]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def status(response: bytes) -> int | None:
    """The status of the first response; None if there was none."""
    return int(response.split(b" ", 2)[1]) if response.startswith(b"HTTP/1.1 ") else None
