"""An HTTP/1.1 server: uvicorn with limits on time and connections, TLS, and a graceful stop.

uvicorn limits neither the time that a request may take to arrive nor the connections that wait for one, so a
client that sends one byte a minute would hold a connection forever.

Only this module uses uvicorn. It extends `H11Protocol` and `Server`; tests/test_private_parts.py lists the
undocumented names.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from socket import socket
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from countersign.http_server.limits import RETRY_AFTER_SECONDS, Rejection
from countersign.http_server.listening import Certificate, listening_on

RECEIVE_SECONDS: Final = 10
"""From the first byte of a request, or from the connection, to its last byte, unless a server has its own."""
STOP_SECONDS: Final = 10
"""How long a stopping server waits for requests that have started."""
HANDSHAKE_SECONDS: Final = 10
"""For TLS."""

_RESPONSE: Final = (
    b"HTTP/1.1 %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 8\r\nconnection: close\r\n"
    b"%s\r\nrefused\n"
)
_NOT_HTTP: Final = _RESPONSE % (b"400 Bad Request", b"")
_CROWDED: Final = _RESPONSE % (b"503 Service Unavailable", b"retry-after: %d\r\n" % RETRY_AFTER_SECONDS)
_RECEIVED: Final = frozenset({h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR})


class Server(uvicorn.Server):
    """A server for one application on one address.

    Args:
        app: The application.
        host: The address to listen on.
        port: The port; 0 selects a free one.
        connection_limit: Connections that may be open at once; more get a 503.
        purpose: Names the address in error messages, for example ` for metrics`.
        certificate: Serve HTTPS with it.
        on_start: Called with the server's URL once it accepts connections.
        on_reject: Called for a connection that is closed before the application sees a request.
        on_stop: Called when the server begins to stop; requests that wait should then end.
        receive_seconds: From the first byte of a request, or from the connection, to its last byte; by
            default `RECEIVE_SECONDS`.

    Raises:
        CannotListenError: The certificate cannot be used.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        connection_limit: int,
        purpose: str = "",
        certificate: Certificate | None = None,
        on_start: Callable[[str], None] = lambda _url: None,
        on_reject: Callable[[Rejection], None] = lambda _rejection: None,
        on_stop: Callable[[], None] = lambda: None,
        receive_seconds: float | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=_Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # an application decides which proxies it trusts
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._connection_limit = connection_limit
        self._purpose = purpose
        self._tls = certificate.context() if certificate else None
        self._on_start = on_start
        self._on_reject = on_reject
        self._on_stop = on_stop
        self._receive_seconds = receive_seconds
        self._listening = asyncio.Event()
        self.url = ""
        """Where the server listens, once it does."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve in the background and yield the URL; stop gracefully at the end. Signals do not stop it.

        Raises:
            CannotListenError: The address cannot be used.
        """
        server = asyncio.create_task(self._serve(), name="HTTP server")
        listening = asyncio.create_task(self._listening.wait())
        try:
            await asyncio.wait({server, listening}, return_when=asyncio.FIRST_COMPLETED)
            if server.done():
                server.result()
            yield self.url
        finally:
            listening.cancel()
            self.should_exit = True
            await server

    async def startup(self, sockets: list[socket] | None = None) -> None:  # noqa: ARG002 (uvicorn's interface)
        """Listen.

        Raises:
            CannotListenError: The address cannot be used.
        """
        await self.lifespan.startup()
        host, port = self.config.host, self.config.port
        loop = asyncio.get_running_loop()
        with listening_on(host, port, purpose=self._purpose):
            server = await loop.create_server(
                self._connection,
                host,
                port,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
                backlog=self.config.backlog,
            )
        self.servers = [server]
        self.started = True
        scheme = "http" if self._tls is None else "https"
        authority = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{authority}:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        self._on_start(self.url)

    def _connection(self) -> "_Connection":
        return _Connection(
            self.config,
            self.server_state,
            self.lifespan.state,
            connection_limit=self._connection_limit,
            on_reject=self._on_reject,
            receive_seconds=self._receive_seconds or RECEIVE_SECONDS,
        )

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop gracefully."""
        self._on_stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop on SIGINT or SIGTERM. Unlike uvicorn, do not raise the signal again: a stop is a success."""
        loop = asyncio.get_running_loop()
        signals = signal.SIGINT, signal.SIGTERM
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


class _Connection(H11Protocol):
    """One connection, with a deadline for every request."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        connection_limit: int,
        on_reject: Callable[[Rejection], None],
        receive_seconds: float,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._receive_seconds = receive_seconds
        self._connection_limit = connection_limit
        self._on_reject = on_reject
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Start the first request's deadline, or reject the connection."""
        super().connection_made(transport)
        if len(self.connections) > self._connection_limit:
            self._reject(_CROWDED, Rejection.CROWDED)
        else:
            self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Process bytes; the deadline runs until the request is complete."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state in _RECEIVED:
            self._stop_deadline()
        else:
            self._start_deadline()

    def on_response_complete(self) -> None:
        """Continue with the next request, part of which may have arrived with the last one."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline."""
        self._stop_deadline()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's interface)
        """Respond to bytes that are not HTTP, unless a response has started."""
        cycle: RequestResponseCycle | None = self.cycle
        has_response = cycle is not None and cycle.response_started
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self._reject(b"" if has_response else _NOT_HTTP, Rejection.NOT_HTTP)

    def _should_upgrade(self) -> bool:
        return False

    def _reject(self, response: bytes, rejection: Rejection) -> None:
        self._on_reject(rejection)
        self.transport.write(response)
        self.transport.close()

    def _start_deadline(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self._receive_seconds, self._expire)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._on_reject(Rejection.SLOW)
        self.transport.abort()
