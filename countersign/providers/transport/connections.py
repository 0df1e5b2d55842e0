"""httpx clients as a transport wants them, and a pool whose cost does not grow with its connections."""

import asyncio
import functools
import importlib.util
import logging
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, cast

import httpx

from countersign.providers.calls import Limits

for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # below it they print presigned URLs and cookies

if importlib.util.find_spec("sniffio") is None:
    # httpcore tries to import it for every lock it makes. Looking for what is not installed is a third of a
    # call's CPU; this answers the same, at once (benchmarks/client.py).
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # documented: None means not found

_FILES_AT_ONCE: Final = 20


def api_client(limits: Limits, *, trust_env: bool, tls: ssl.SSLContext | None) -> httpx.AsyncClient:
    """Make the client of a provider's API."""
    return _client(limits, limits.connections, trust_env=trust_env, tls=tls, pool=not trust_env)


def file_client(limits: Limits, *, trust_env: bool, tls: ssl.SSLContext | None) -> httpx.AsyncClient:
    """Make the client of presigned files, whose slow downloads take no connection from the API."""
    return _client(limits, _FILES_AT_ONCE, trust_env=trust_env, tls=tls, pool=False)


@functools.cache
def _default_tls(*, trust_env: bool) -> ssl.SSLContext:
    # One for all clients: loading the authorities takes 20 ms
    return httpx.create_ssl_context(trust_env=trust_env)


def _client(
    limits: Limits, connections: int, *, trust_env: bool, tls: ssl.SSLContext | None, pool: bool
) -> httpx.AsyncClient:
    verify = tls or _default_tls(trust_env=trust_env)

    def one_connection() -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=_http_limits(limits, 1))

    return httpx.AsyncClient(
        headers={"User-Agent": "countersign"},
        follow_redirects=False,
        trust_env=trust_env,
        verify=verify,
        timeout=httpx.Timeout(connect=limits.connect, read=limits.read, write=limits.write, pool=limits.pool),
        limits=_http_limits(limits, connections),
        transport=_Pool(one_connection, connections) if pool else None,
    )


def _http_limits(limits: Limits, connections: int) -> httpx.Limits:
    return httpx.Limits(
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=limits.keep_alive,
    )


class _Pool(httpx.AsyncBaseTransport):
    """Connections to one host, each a transport of its own; the one used last goes first.

    httpcore's pool looks at every connection for every request: at 16 at once that is half of the CPU.
    """

    def __init__(self, make: Callable[[], httpx.AsyncHTTPTransport], connections: int) -> None:
        self._make = make
        self._idle: list[httpx.AsyncHTTPTransport] = []
        self._free = asyncio.Semaphore(connections)
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._wait(request)
        connection = self._idle.pop() if self._idle else self._make()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._give_back(connection)
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        response.stream = _Lent(body, functools.partial(self._give_back, connection))
        return response

    async def aclose(self) -> None:
        self._closed = True
        while self._idle:
            await self._idle.pop().aclose()

    async def _wait(self, request: httpx.Request) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no free connection", request=request) from None

    async def _give_back(self, connection: httpx.AsyncHTTPTransport) -> None:
        self._free.release()
        if self._closed:
            await connection.aclose()
        else:
            self._idle.append(connection)


class _Lent(httpx.AsyncByteStream):
    """A body whose connection goes back to the pool when it is closed, which httpx does once."""

    def __init__(self, body: httpx.AsyncByteStream, give_back: Callable[[], Awaitable[None]]) -> None:
        self._body = body
        self._give_back = give_back

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            await self._give_back()
