"""Run the sandbox's HTTP server."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Collection, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.core.app import create_app
from sandbox.core.provider import Provider


class CannotListenError(Exception):
    """The address is in use or invalid; the message has the reason."""


class _Connection(H11Protocol):
    """Gives requests their connection, so that faults can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Stops at the first signal without waiting for open connections: responses follow commits."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, _Connection):
                connection.transport.abort()
        await super().shutdown(sockets)

    def _stop(self, *_: Any) -> None:
        self.should_exit = self.force_exit = True


def run(
    provider: Provider,
    host: str,
    port: int,
    on_started: Callable[[str], None],
    allowed_hosts: Collection[str] = (),
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        provider: The provider that the server stands in for.
        host: Address to listen on.
        port: Port; 0 picks a free one.
        allowed_hosts: Names under which clients reach it, beside `localhost`, IP addresses and `host`.
        on_started: Called with the base URL when the server is ready.

    Raises:
        CannotListenError: The address is in use or invalid.
    """
    listener = _listen(host, port)
    # asyncio sets TCP_NODELAY only on sockets with an explicit protocol; without it a response waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name = f"[{host}]" if ":" in host else host
    url = f"http://{name}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(provider, [name.lower() for name in (host, *allowed_hosts)]),
        http=_Connection,
        ws="none",
        loop="asyncio",
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",  # a proxy on this machine that speaks TLS: links begin with https
        timeout_keep_alive=30,
        backlog=1024,
    )
    try:
        asyncio.run(_Server(config, lambda: on_started(url)).serve([listener]))
    finally:
        provider.sandbox.store.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        if error.errno == errno.EADDRINUSE:
            reason = "another program uses the port; stop it, or choose another port"
        raise CannotListenError(f"cannot listen on {host}:{port}: {reason}") from None
