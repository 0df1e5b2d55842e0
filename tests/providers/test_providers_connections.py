"""Connections: what they carry, when one is used again, and when it never is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import httpcore
import httpx
import pytest
import uvloop

from countersign.providers.calls import Limits
from countersign.providers.transport.connections import api_transport, default_tls
from countersign.providers.transport.stream import connect
from tests.providers.provider_edge import Exchange, edge

PHASES = {"connect": 5.0, "pool": 5.0, "read": 5.0, "write": 5.0}
LARGE = b"x" * 5_000_000


@pytest.fixture
async def pool() -> AsyncIterator[httpx.AsyncBaseTransport]:
    async with api_transport(Limits(connections=2), default_tls(trust_env=False), None) as opened:
        yield opened


def request(url: str, *, content: bytes = b"", **phases: float) -> httpx.Request:
    return httpx.Request("POST", url, content=content, extensions={"timeout": PHASES | phases})


async def exchange(pool: httpx.AsyncBaseTransport, asked: httpx.Request) -> bytes:
    response = await pool.handle_async_request(asked)
    async with aclosing(response):
        return await response.aread()


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class TestReuse:
    async def test_one_connection_serves_one_call_after_the_other(
        self, pool: httpx.AsyncBaseTransport
    ) -> None:
        async with edge(answer(b"ok")) as server:
            for _ in range(3):
                assert await exchange(pool, request(server.base_url)) == b"ok"
            assert (server.connections, len(server.received)) == (1, 3)

    @pytest.mark.parametrize("seen_by_the_loop", [0, 0.02])
    @pytest.mark.parametrize("unasked", [answer(b"stale"), b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
    async def test_a_response_without_a_request_is_none_to_the_next_one(
        self, pool: httpx.AsyncBaseTransport, unasked: bytes, seen_by_the_loop: float
    ) -> None:
        """A server that says something on an idle connection is closing it, or out of step."""
        writers: list[Exchange] = []

        async def reply(to: Exchange) -> None:
            writers.append(to)
            await to.write(answer(b"ok"))

        async with edge(reply) as server:
            assert await exchange(pool, request(server.base_url)) == b"ok"
            await writers[0].write(unasked)
            await asyncio.sleep(seen_by_the_loop)
            assert await exchange(pool, request(server.base_url)) == b"ok"
            assert server.connections == 2

    async def test_a_response_that_is_left_unread_takes_its_connection_along(
        self, pool: httpx.AsyncBaseTransport
    ) -> None:
        async with edge(answer(LARGE)) as server:
            left = await pool.handle_async_request(request(server.base_url))
            await left.aclose()
            await server.left()
            assert len(await exchange(pool, request(server.base_url))) == len(LARGE)
            assert server.connections == 2

    async def test_a_call_that_ran_out_of_time_takes_its_connection_along(
        self, pool: httpx.AsyncBaseTransport
    ) -> None:
        async def reply(to: Exchange) -> None:
            if len(server.received) > 1:
                await to.write(answer(b"ok"))
            else:
                await asyncio.Event().wait()

        async with edge(reply) as server:
            with pytest.raises(httpx.ReadTimeout):
                await exchange(pool, request(server.base_url, read=0.05))
            assert await exchange(pool, request(server.base_url)) == b"ok"
            assert server.connections == 2

    @pytest.mark.parametrize("steps", range(16))
    @pytest.mark.parametrize("is_first", [True, False])
    async def test_a_call_that_is_cancelled_leaves_no_connection_behind(
        self, pool: httpx.AsyncBaseTransport, steps: int, *, is_first: bool
    ) -> None:
        """In whatever step of the event loop: the connection is closed, or serves the next call."""
        left_open: set[asyncio.StreamWriter] = set()
        closed = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            left_open.add(writer)
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await reader.readuntil(b"\r\n\r\n"):
                    writer.write(answer(b"ok"))
            writer.close()
            left_open.discard(writer)
            closed.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            if not is_first:
                await exchange(pool, request(url))
            call = asyncio.create_task(exchange(pool, request(url)))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            await exchange(pool, request(url))
            async with asyncio.timeout(5):
                while len(left_open) > 1:
                    closed.clear()
                    await closed.wait()


class TestLimits:
    async def test_calls_wait_for_a_connection_and_not_for_ever(self, pool: httpx.AsyncBaseTransport) -> None:
        async with edge(answer(b"ok")) as server:
            first, second = [await pool.handle_async_request(request(server.base_url)) for _ in range(2)]
            with pytest.raises(httpx.PoolTimeout):
                await exchange(pool, request(server.base_url, pool=0.05))
            third = asyncio.create_task(exchange(pool, request(server.base_url)))
            await first.aclose()
            assert await third == b"ok"
            await second.aclose()

    async def test_a_failure_frees_its_connection(self, pool: httpx.AsyncBaseTransport) -> None:
        async with edge(b"no HTTP at all\r\n\r\n") as server:
            for _ in range(5):
                with pytest.raises(httpx.RemoteProtocolError):
                    await exchange(pool, request(server.base_url, pool=0.05))


class TestBytes:
    async def test_much_arrives_whole_at_a_slow_reader(self, pool: httpx.AsyncBaseTransport) -> None:
        async with edge(answer(LARGE)) as server:
            response = await pool.handle_async_request(request(server.base_url))
            await asyncio.sleep(0.05)  # more is received than is taken ahead
            async with aclosing(response):
                assert await response.aread() == LARGE

    async def test_much_is_sent_whole(self, pool: httpx.AsyncBaseTransport) -> None:
        async with edge(answer(b"ok")) as server:
            assert await exchange(pool, request(server.base_url, content=LARGE)) == b"ok"
            assert server.received[0].body == LARGE

    async def test_a_server_that_does_not_read_is_not_waited_for(
        self, pool: httpx.AsyncBaseTransport
    ) -> None:
        async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await never.wait()
            finally:
                writer.close()

        never = asyncio.Event()
        async with await asyncio.start_server(hang, "127.0.0.1", 0, limit=1024) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(httpx.WriteTimeout):
                await exchange(pool, request(url, content=LARGE * 10, write=0.1))
            never.set()

    @pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
    async def test_a_connection_that_breaks_is_an_error_of_httpx(
        self, pool: httpx.AsyncBaseTransport, reply: bytes
    ) -> None:
        async def broken(to: Exchange) -> None:
            await to.write(reply)
            to.reset()

        async with edge(broken) as server:
            with pytest.raises(httpx.TransportError):
                await exchange(pool, request(server.base_url))

    async def test_an_early_refusal_is_read_while_the_request_is_still_sent(
        self, pool: httpx.AsyncBaseTransport
    ) -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
            await writer.drain()
            while await reader.read(1 << 20):
                pass
            writer.close()

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            response = await pool.handle_async_request(request(url, content=LARGE))
            async with aclosing(response):
                assert (response.status_code, await response.aread()) == (413, b"no")


class TestConnecting:
    async def test_another_address_of_the_host_is_tried(
        self, pool: httpx.AsyncBaseTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            assert host == "provider.example"
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        async with edge(answer(b"ok")) as server:
            asked = request(f"http://provider.example:{server.port}")
            assert await exchange(pool, asked) == b"ok"

    async def test_a_host_that_does_not_answer_is_not_waited_for(
        self, pool: httpx.AsyncBaseTransport
    ) -> None:
        """A server whose queue is full drops what asks for a connection."""
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            with pytest.raises(httpx.ConnectTimeout):
                await exchange(pool, request(url, connect=0.1))
            for one in waiting:
                one.close()

    async def test_none_is_left_open(self) -> None:
        async with edge(answer(b"ok")) as server:
            async with api_transport(Limits(), default_tls(trust_env=False), None) as pool:
                assert await exchange(pool, request(server.base_url)) == b"ok"
            await server.left()


def test_nothing_is_written_to_a_connection_that_has_ended() -> None:
    """The worker's event loop raises an error of its own there, and asyncio's ignores it."""

    async def write_late() -> None:
        async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
            stream = await connect("127.0.0.1", server.sockets[0].getsockname()[1], None)
            assert await stream.read(1) == b""
            await asyncio.sleep(0.02)  # the transport closes
            with pytest.raises(httpcore.WriteError):
                await stream.write(b"more")
            await stream.aclose()

    uvloop.run(write_late())
