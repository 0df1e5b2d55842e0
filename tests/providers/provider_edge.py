"""A server at the edge that answers exactly the bytes it is told to, and keeps what it received."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from countersign.providers.calls import Limits
from countersign.providers.transport import Gate, Transport
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.error_bodies import explain

KEY = "TDX-test-canary-7f3a9c"
Reply = bytes | Callable[["Exchange"], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Exchange:
    request: Received
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


@dataclass
class Edge:
    port: int = 0
    scheme: str = "http"
    reply: Reply = b""
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def reached(self) -> None:
        """Wait for the first request."""
        await self._reached.wait()

    async def left(self) -> None:
        """Wait for a client to close its connection."""
        await asyncio.wait_for(self._left.wait(), 10)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                request = await _read(reader)
                self.received.append(request)
                self._reached.set()
                if isinstance(self.reply, bytes):
                    writer.write(self.reply)
                    await writer.drain()
                else:
                    await self.reply(Exchange(request, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._left.set()
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body)


@asynccontextmanager
async def edge(reply: Reply = b"", *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Edge]:
    here = Edge(reply=reply, scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(here.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class FixedKey:
    """Credentials that never change."""

    def __init__(self) -> None:
        self.renewals = 0

    async def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {KEY}", "x-rapiddocx-org-id": "an-org"}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        assert refused
        self.renewals += 1
        return False


def client(
    base_url: str,
    *,
    gate: Gate | None = None,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    trust_env: bool = False,
) -> TurboDocxClient:
    return TurboDocxClient(
        Transport(
            base_url,
            provider="turbodocx",
            credentials=FixedKey(),
            explain=explain,
            gate=gate,
            limits=limits,
            tls=tls,
            trust_env=trust_env,
        )
    )


def response(
    status: int = 200,
    body: bytes | object = b"",
    *,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {media_type}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


PREPARED = {
    "success": True,
    "documentId": "3f0e9c1a-0000-4000-8000-00000000d0c1",
    "status": "UNDER_REVIEW",
    "recipients": [
        {
            "id": "3f0e9c1a-0000-4000-8000-0000000000a1",
            "name": "A",
            "email": "a@example.com",
            "signingOrder": 1,
        }
    ],
    "message": "Document sent for signing",
}
STATUS = {"data": {"status": "UNDER_REVIEW", "isOdd": 1}}
