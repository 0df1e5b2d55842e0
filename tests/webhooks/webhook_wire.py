"""Raw HTTP, for requests that no client library sends."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.webhooks.webhook_deliveries import PATH


@asynccontextmanager
async def open_connection(
    url: str, context: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection, and close it at the end whatever its state."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port, ssl=context, server_hostname=server_name
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def exchange(url: str, *chunks: bytes, leave: bool = False) -> bytes:
    """Send chunks on one connection and return what the other side sends until it closes the connection.

    `leave` closes our side after the last chunk without reading.
    """
    async with open_connection(url) as (reader, writer):
        with suppress(ConnectionError):
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            return b"" if leave else await reader.read()
    return b""


async def wait_for_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a byte every 50 ms until the other side closes the connection; return what it sent.

    A time limit that every byte extends would never be reached.
    """
    dripping = asyncio.create_task(_drip(writer))
    received_bytes = b""
    try:
        while received := await reader.read(1000):
            received_bytes += received
    except ConnectionError:
        pass
    finally:
        dripping.cancel()
    return received_bytes


async def _drip(writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)


def request(
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = PATH,
) -> bytes:
    """Return a request with `Connection: close` and exactly these headers."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = [f"{method} {path} HTTP/1.1", "Host: receiver", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in pairs]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def status(response: bytes) -> int | None:
    """Return the status of the first response other than `100 Continue`; None without one."""
    response = response.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return int(response.split(b" ", 2)[1]) if response.startswith(b"HTTP/1.1 ") else None
