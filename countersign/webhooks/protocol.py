"""uvicorn's HTTP/1.1 with what it lacks: a time limit for headers and body, and one for connections.

Without them a stranger who sends one byte a minute holds a connection for good.
"""

import asyncio
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from countersign.webhooks.journal import count
from countersign.webhooks.outcome import RETRY_AFTER_SECONDS, DeliveryOutcome

RECEIVE_SECONDS: Final = 10
"""From a request's first byte (or the connection) to its last."""

_REFUSED: Final = (
    b"HTTP/1.1 %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 8\r\nconnection: close\r\n"
    b"%s\r\nrefused\n"
)
_NOT_HTTP: Final = _REFUSED % (b"400 Bad Request", b"")
_CROWDED: Final = _REFUSED % (b"503 Service Unavailable", b"retry-after: %d\r\n" % RETRY_AFTER_SECONDS)
_RECEIVED: Final = frozenset({h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR})


class ReceiverProtocol(H11Protocol):
    """One connection.

    Args:
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: uvicorn's.
        connection_limit: Connections at once.
    """

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], *, connection_limit: int
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._connection_limit = connection_limit
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        """Start the first request's time, or turn the caller away."""
        super().connection_made(transport)
        if len(self.connections) > self._connection_limit:
            self._turn_away(_CROWDED, DeliveryOutcome.CROWDED)
        else:
            self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Take in bytes; the deadline runs until the request is whole."""
        if self.transport.is_closing():
            return
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
        is_answering = cycle is not None and cycle.response_started
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self._turn_away(b"" if is_answering else _NOT_HTTP, DeliveryOutcome.NOT_HTTP)

    def _should_upgrade(self) -> bool:
        return False

    def _turn_away(self, answer: bytes, outcome: DeliveryOutcome) -> None:
        count("none", outcome)
        self.transport.write(answer)
        self.transport.close()

    def _start_deadline(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(RECEIVE_SECONDS, self._end)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        count("none", DeliveryOutcome.SLOW)
        self.transport.abort()
