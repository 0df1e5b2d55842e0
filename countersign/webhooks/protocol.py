"""uvicorn's HTTP/1.1 with what it lacks: a time limit for headers and body, and one for connections.

Without them a stranger who sends one byte a minute holds a connection for good.
"""

import asyncio
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

RECEIVE_SECONDS: Final = 10
"""From a request's first byte (or the connection) to its last."""
CONNECTION_LIMIT: Final = 2500
"""Connections at once: a burst of 2,000 deliveries fits, and their bodies hold 160 MB at worst."""

_REFUSED: Final = (
    b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: 8\r\nconnection: close\r\n%s\r\nrefused\n"
)
BAD_REQUEST: Final = _REFUSED % (b"400 Bad Request", b"")
BUSY: Final = _REFUSED % (b"503 Service Unavailable", b"retry-after: 5\r\n")

_RECEIVED: Final = frozenset({h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR})


class DoorProtocol(H11Protocol):
    """One connection."""

    receive_seconds: ClassVar[float] = RECEIVE_SECONDS
    connection_limit: ClassVar[int] = CONNECTION_LIMIT

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        """Start the first request's time, or turn the caller away."""
        super().connection_made(transport)
        if len(self.connections) > self.connection_limit:
            transport.write(BUSY)
            transport.close()
            return
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Take in bytes; the deadline runs until the request is whole."""
        self._start_deadline()
        super().data_received(data)
        if self.conn.their_state in _RECEIVED:
            self._stop_deadline()

    def on_response_complete(self) -> None:
        """Go on with the next request; one that came along with the last may be incomplete."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up."""
        self._stop_deadline()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's interface)
        """Refuse what is not HTTP, in our words, unless an answer is on its way."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or not cycle.response_started:
            self.transport.write(BAD_REQUEST)
        if cycle is not None:
            cycle.disconnected = True
        self.transport.close()

    def _start_deadline(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.receive_seconds, self.transport.abort)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
