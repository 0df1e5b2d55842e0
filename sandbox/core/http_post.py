"""A minimal HTTP client for the webhook sender: one POST per connection."""

import asyncio
import ssl
from functools import cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11

_KEPT: Final = 4096
"""Bytes of a response body that are read."""


class PostError(Exception):
    """There was no response. The message is a short name of the reason, without secrets."""


async def post(url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """Return the status and the beginning of the body. Follows no redirects and has no time limit.

    Raises:
        PostError: The receiver could not be reached, or did not return HTTP.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    try:
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or (443 if secure else 80), ssl=_tls() if secure else None
        )
    except (OSError, ValueError):  # OSError includes TLS errors; ValueError is a host that cannot be encoded
        raise PostError("ConnectError") from None
    try:
        return await _exchange(reader, writer, parts, headers, body)
    except OSError:
        raise PostError("ReadError") from None
    except (h11.ProtocolError, ValueError):
        raise PostError("ProtocolError") from None
    finally:
        writer.close()


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    parts: SplitResult,
    headers: dict[str, str],
    body: bytes,
) -> tuple[int, bytes]:
    connection = h11.Connection(h11.CLIENT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    framed = {"host": host, "content-length": str(len(body)), "connection": "close"} | headers
    request = h11.Request(method="POST", target=target, headers=list(framed.items()))
    for event in (request, h11.Data(body), h11.EndOfMessage()):
        writer.write(connection.send(event) or b"")
    status, content = 0, b""
    while len(content) < _KEPT:
        event_or_need = connection.next_event()
        if event_or_need is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event_or_need, h11.Response):
            status = event_or_need.status_code
        elif isinstance(event_or_need, h11.Data):
            content += event_or_need.data
        elif isinstance(event_or_need, h11.EndOfMessage):
            break
    return status, content[:_KEPT]


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
