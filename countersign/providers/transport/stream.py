"""One connection: httpcore's network stream over asyncio's transports, with the event loop's own TLS."""

import asyncio
import select
import socket
import ssl
from typing import Any, Final, cast

import aiohappyeyeballs
import httpcore

_NEXT_ADDRESS_SECONDS: Final = 0.25
"""After how long the next address of a host is tried, too (RFC 8305)."""
_READ_AHEAD: Final = 1 << 18
"""Bytes that are received before anybody asks for them."""


async def connect(host: str, port: int, tls: ssl.SSLContext | None) -> "Stream":
    """Connect to the first address of a host that answers, and verify its certificate.

    Args:
        host: Its name or address, in ASCII.
        port: Its port.
        tls: The settings; None for plain HTTP.

    Raises:
        OSError: No address answered, or TLS failed.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    connected = await aiohappyeyeballs.start_connection(
        addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1
    )
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _, stream = await loop.create_connection(
            Stream, sock=connected, ssl=tls, server_hostname=None if tls is None else host
        )
    except BaseException:
        connected.close()
        raise
    return stream


class Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """Bytes to and from one host."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._is_paused = False
        self._ended = False
        self._lost: Exception | None = None
        self._changed = asyncio.Event()
        """Something was received, or nothing more will be."""
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came, and stop receiving where nobody takes it."""
        self._received += data
        if len(self._received) > _READ_AHEAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> None:
        """Nothing more will come; the transport closes."""
        self._ended = True
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake who reads or writes."""
        self._ended, self._lost = True, exc
        self._changed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Let writers wait: the system takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let them go on."""
        self._writable.set()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (httpcore's)
        """Read what is there, or wait for it; b"" at the end.

        Args:
            max_bytes: The most bytes to return.
            timeout: The most seconds to wait.

        Raises:
            httpcore.ReadTimeout: Nothing came in time.
            httpcore.ReadError: The connection broke.
        """
        if not self._received and not self._ended:
            self._changed.clear()
            try:
                await _within(timeout, self._changed)
            except TimeoutError:
                raise httpcore.ReadTimeout from None
        if self._received:
            data = bytes(self._received[:max_bytes])
            del self._received[:max_bytes]
            if self._is_paused and not self._received and not self._ended:
                self._is_paused = False
                self._transport.resume_reading()
            return data
        if self._lost is not None:
            raise httpcore.ReadError("the connection broke") from self._lost
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 (httpcore's)
        """Send bytes, or have them sent as soon as the other side takes them.

        Args:
            buffer: The bytes.
            timeout: The most seconds to wait where much has not been taken yet.

        Raises:
            httpcore.WriteTimeout: Nothing was taken in time.
            httpcore.WriteError: The connection broke.
        """
        if not self._ended:
            self._transport.write(buffer)
        if not self._writable.is_set():
            try:
                await _within(timeout, self._writable)
            except TimeoutError:
                raise httpcore.WriteTimeout from None
        if self._ended:
            raise httpcore.WriteError("the connection broke") from self._lost

    async def aclose(self) -> None:
        """Close at once: what was not sent yet never is."""
        self._transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """Return what the transport knows, or for `is_readable` whether the other side has said something.

        On an idle connection it says nothing, unless it closes it.
        """
        if info != "is_readable":
            return self._transport.get_extra_info(info)
        return self._ended or bool(self._received) or _is_readable(self._transport.get_extra_info("socket"))


async def _within(seconds: float | None, event: asyncio.Event) -> None:
    if seconds is None:  # a timer costs more than the wait
        await event.wait()
        return
    async with asyncio.timeout(seconds):
        await event.wait()


def _is_readable(connected: socket.socket) -> bool:
    """Ask the system for what the event loop has not seen yet."""
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return bool(poll.poll(0))
