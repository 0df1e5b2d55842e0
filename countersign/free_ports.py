"""Find ports of this machine that nothing listens on."""

import secrets
import socket
from collections.abc import Collection
from typing import Final

from countersign.loopback import LOOPBACK

_RANGE: Final = range(20_000, 32_000)
"""Below the ports that systems hand out to outgoing connections, so that none takes ours meanwhile."""


def free_port(taken: Collection[int] = ()) -> int:
    """Find a port that nothing listens on and that is not among `taken`."""
    while True:
        port = secrets.choice(_RANGE)
        if port not in taken and is_free(port):
            return port


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
