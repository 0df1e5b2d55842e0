"""Connections to a provider. We use httpx's requests, responses and transports, and not its client.

The client adds cookies that stay, redirects, authentication from elsewhere and a log line with the address,
none of which may happen here, and takes as long as all of our own layers (benchmarks/client.py).
"""

import asyncio
import functools
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, cast

import httpx

from countersign.providers.calls import Limits

logging.getLogger("httpcore").setLevel(logging.WARNING)  # below it, it prints cookies

_FILES_AT_ONCE: Final = 20


@functools.cache
def default_tls(*, trust_env: bool) -> ssl.SSLContext:
    """Make the TLS settings for those who bring none: one for all, as loading the authorities takes 20 ms."""
    return httpx.create_ssl_context(trust_env=trust_env)


def file_transport(limits: Limits, tls: ssl.SSLContext, proxy: str | None) -> httpx.AsyncBaseTransport:
    """Open connections for presigned files, whose slow downloads take none from the API."""
    return _transport(limits, tls, proxy, connections=_FILES_AT_ONCE)


def api_transport(limits: Limits, tls: ssl.SSLContext, proxy: str | None) -> httpx.AsyncBaseTransport:
    """Open connections for a provider's API."""
    return _Pool(lambda: _transport(limits, tls, proxy, connections=1), limits.connections)


def _transport(
    limits: Limits, tls: ssl.SSLContext, proxy: str | None, *, connections: int
) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        verify=tls,
        proxy=proxy,
        trust_env=False,
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=limits.keep_alive,
        ),
    )


class _Pool(httpx.AsyncBaseTransport):
    """Connections to one host, one transport each; the most recently used goes first.

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
