"""This machine as a network address: the one place where plain http may be spoken."""

from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOOPBACK_HOSTS: Final = frozenset({LOOPBACK, "::1", "localhost"})
