"""The addresses of this machine, the only ones for which plain HTTP is allowed."""

from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOOPBACK_HOSTS: Final = frozenset({LOOPBACK, "::1", "localhost"})
