"""The receiver as a server: our protocol under uvicorn, TLS if asked for, and a graceful stop."""

import asyncio
import signal
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette

from countersign.listening import CannotListenError, listening_on
from countersign.webhooks.protocol import ReceiverProtocol

STOP_SECONDS: Final = 10
"""How long a stopping receiver lets requests finish; each ends within its own limits anyway."""
HANDSHAKE_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Certificate:
    """TLS by files, for a receiver without a proxy: the chain and its private key, both PEM."""

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Load both.

        Raises:
            CannotListenError: They cannot be read or do not belong together.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.chain, self.key, password=_no_passphrase)
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            raise CannotListenError(
                f"the certificate cannot be used: {self.chain} and {self.key} must be a PEM chain and its "
                "private key without a passphrase"
            ) from None
        return context


def _no_passphrase() -> str:
    """Stand in for OpenSSL's question on the terminal, which nobody would answer."""
    return ""


class Server(uvicorn.Server):
    """Listens and serves until SIGINT or SIGTERM; then finishes what is in flight.

    Args:
        app: The application.
        host: The address to listen on.
        port: The port; 0 picks a free one.
        connection_limit: Connections at once.
        certificate: Speak TLS with it.
        on_start: Called with the receiver's own URL once it answers.
    """

    def __init__(
        self,
        app: Starlette,
        *,
        host: str,
        port: int,
        connection_limit: int,
        certificate: Certificate | None = None,
        on_start: Callable[[str], None] = lambda _url: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=ReceiverProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # who may say so is decided in callers.py
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._connection_limit = connection_limit
        self._tls = certificate.context() if certificate else None
        self._on_start = on_start

    async def startup(self, sockets: list[socket] | None = None) -> None:  # noqa: ARG002 (uvicorn's interface)
        """Listen.

        Raises:
            CannotListenError: The address is taken or not ours.
        """
        await self.lifespan.startup()
        host, port = self.config.host, self.config.port
        loop = asyncio.get_running_loop()
        with listening_on(host, port):
            server = await loop.create_server(
                self._protocol,
                host,
                port,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
                backlog=self.config.backlog,
            )
        self.servers = [server]
        self.started = True
        scheme = "http" if self._tls is None else "https"
        shown = f"[{host}]" if ":" in host else host
        self._on_start(f"{scheme}://{shown}:{server.sockets[0].getsockname()[1]}")

    def _protocol(self) -> ReceiverProtocol:
        return ReceiverProtocol(
            self.config,
            self.server_state,
            self.lifespan.state,
            connection_limit=self._connection_limit,
        )

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop on a signal without raising it again at the end, as uvicorn would: a stop is a success."""
        loop = asyncio.get_running_loop()
        signals = signal.SIGINT, signal.SIGTERM
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
