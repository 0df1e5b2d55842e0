"""A receiver of callbacks on this machine: it records what arrives, and responds as the test says."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from countersign.loopback import LOOPBACK
from tests.workflows.office import CALLBACK_SECRET

SECRET: Final = CALLBACK_SECRET
OTHER_SECRET: Final = "whsec_Y291bnRlcnNpZ24tY2FsbGJhY2stc2VjcmV0LTAwMg=="
QUERY: Final = "signature=canary%2Fof%20a+caller&x=%C3%BC"
"""A query as n8n signs it; it must arrive as it was written."""

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Call:
    """A request that arrived."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        """The event's name without `agreement.`, numbered by its signer."""
        signer = self.event["data"].get("signer")
        kind = str(self.event["type"]).removeprefix("agreement.")
        return f"{kind}-{signer}" if signer else kind


@dataclass
class Receiver:
    """What arrived, and what is responded to what comes next."""

    port: int
    host: str = LOOPBACK
    calls: list[Call] = field(default_factory=list)
    script: list[int | Respond] = field(default_factory=list)
    """Statuses or other responses to the next requests; then 204."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook?{QUERY}"

    def types(self) -> list[str]:
        return [call.type for call in self.calls]

    serving: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self.serve(reader, writer))
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.calls.append(Call(line.split()[1], headers, body))
            respond = self.script.pop(0) if self.script else 204
            if callable(respond):
                await respond(writer)
            else:
                writer.write(f"HTTP/1.1 {respond} Status\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()


def responding(status: int, *headers: str) -> Respond:
    """Respond with a status and headers."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        lines = "".join(f"{header}\r\n" for header in headers)
        writer.write(f"HTTP/1.1 {status} Status\r\n{lines}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()

    return respond


async def drop(writer: asyncio.StreamWriter) -> None:
    """Take the request and close the connection without a response."""
    writer.transport.abort()


async def hang(writer: asyncio.StreamWriter) -> None:
    """Take the request and respond never."""
    del writer
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Respond byte by byte and never to the end, so that no read waits for long."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(writer: asyncio.StreamWriter) -> None:
    """Respond with a body without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


@asynccontextmanager
async def receiving(
    host: str = LOOPBACK, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver until the block ends."""
    receiver = Receiver(port, host)
    server = await asyncio.start_server(receiver.accept, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tuple(receiver.serving):
            task.cancel()
        await asyncio.gather(*receiver.serving, return_exceptions=True)
