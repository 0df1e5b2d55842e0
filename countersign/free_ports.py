"""Unused ports of this machine."""

import secrets
import socket
from collections.abc import Collection
from typing import Final

from countersign.loopback import LOOPBACK

_RANGE: Final = range(20_000, 32_000)
"""Below the ephemeral ports of outgoing connections, which could take a port before its use."""


def free_port(taken: Collection[int] = ()) -> int:
    """Return an unused port that is not in `taken`."""
    while True:
        port = secrets.choice(_RANGE)
        if port not in taken and is_free(port):
            return port


def is_free(port: int) -> bool:
    """Return whether a server can listen on a port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
