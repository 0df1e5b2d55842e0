"""Connections to a provider: httpx's requests and responses over httpcore's connections, without a client.

A client adds cookies that stay, redirects, authentication from elsewhere and a log line with the address,
none of which may happen here, and takes as long as all of our own layers (benchmarks/client.py). httpcore's
pool looks at every connection for every request, and its network layer serves any event loop: together they
took about a third of a call. They are used behind a proxy only.
"""

import asyncio
import functools
import logging
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, cast

import httpcore
import httpx

from countersign.providers.calls import Limits
from countersign.providers.transport.stream import connect

logging.getLogger("httpcore").setLevel(logging.WARNING)  # below it, it prints cookies

_FILES_AT_ONCE: Final = 20
_AS_HTTPX: Final[dict[type[Exception], type[httpx.TransportError]]] = {
    httpcore.ReadError: httpx.ReadError,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteError: httpx.WriteError,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
}
_BROKEN: Final = tuple(_AS_HTTPX)


@functools.cache
def default_tls(*, trust_env: bool) -> ssl.SSLContext:
    """Make the TLS settings for those who bring none: one for all, as loading the authorities takes 20 ms."""
    return httpx.create_ssl_context(trust_env=trust_env)


def file_transport(limits: Limits, tls: ssl.SSLContext, proxy: str | None) -> httpx.AsyncBaseTransport:
    """Open connections for presigned files, whose slow downloads take none from the API."""
    return _transport(limits, tls, proxy, connections=_FILES_AT_ONCE)


def api_transport(limits: Limits, tls: ssl.SSLContext, proxy: str | None) -> httpx.AsyncBaseTransport:
    """Open connections for a provider's API."""
    return _transport(limits, tls, proxy, connections=limits.connections)


def _transport(
    limits: Limits, tls: ssl.SSLContext, proxy: str | None, *, connections: int
) -> httpx.AsyncBaseTransport:
    if proxy is None:
        return _Pool(tls, connections, limits.keep_alive)
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
    """Connections without a proxy; of the idle ones of a host, the most recently used goes first."""

    def __init__(self, tls: ssl.SSLContext, connections: int, keep_alive: float) -> None:
        tls.set_alpn_protocols(["http/1.1"])
        self._tls = tls
        self._keep_alive = keep_alive
        self._idle: dict[str, list[httpcore.AsyncHTTP11Connection]] = defaultdict(list)
        self._free = asyncio.Semaphore(connections)
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=cast("AsyncIterator[bytes]", request.stream),
            extensions=request.extensions,
        )
        await self._wait(request)
        try:
            connection = await self._connection(asked.url.origin, request)
            try:
                response = await connection.handle_async_request(asked)
            except BaseException:  # httpcore leaves it open if the call is cancelled before it has begun
                await connection.aclose()
                raise
        except _BROKEN as error:
            self._free.release()
            raise _as_httpx(error, request) from error
        except BaseException:
            self._free.release()
            raise
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(self, asked.url.origin, connection, response, request),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        self._closed = True
        for connections in self._idle.values():
            while connections:
                await connections.pop().aclose()

    async def give_back(self, origin: httpcore.Origin, connection: httpcore.AsyncHTTP11Connection) -> None:
        """Take a connection back whose response has been closed."""
        self._free.release()
        if self._closed or not connection.is_idle():  # its response was not read to its end
            await connection.aclose()
        else:
            self._idle[str(origin)].append(connection)

    async def _wait(self, request: httpx.Request) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no free connection", request=request) from None

    async def _connection(
        self, origin: httpcore.Origin, request: httpx.Request
    ) -> httpcore.AsyncHTTP11Connection:
        idle = self._idle[str(origin)]
        while idle:
            connection = idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        try:
            async with asyncio.timeout(request.extensions["timeout"]["connect"]):
                tls = self._tls if origin.scheme == b"https" else None
                stream = await connect(origin.host.decode("ascii"), origin.port, tls)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("not connected in time", request=request) from error
        except OSError as error:
            raise httpx.ConnectError("not connected", request=request) from error
        return httpcore.AsyncHTTP11Connection(origin, stream, self._keep_alive)


@dataclass(slots=True)
class _Body(httpx.AsyncByteStream):
    """The body of a response, whose connection goes back to the pool when it is closed."""

    pool: _Pool
    origin: httpcore.Origin
    connection: httpcore.AsyncHTTP11Connection
    response: httpcore.Response
    request: httpx.Request
    closed: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.response.aiter_stream():
                yield chunk
        except _BROKEN as error:
            raise _as_httpx(error, self.request) from error

    async def aclose(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            await self.response.aclose()
        finally:
            await self.pool.give_back(self.origin, self.connection)


def _as_httpx(error: Exception, request: httpx.Request) -> httpx.TransportError:
    return _AS_HTTPX[type(error)](str(error), request=request)
