"""Listen on an address, or say in one sentence why that cannot be."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


class CannotListenError(Exception):
    """The address is taken or not ours, or the certificate cannot be used; the message says which."""


@contextmanager
def listening_on(host: str, port: int, *, purpose: str = "") -> Iterator[None]:
    """Say in one sentence that an address cannot be listened on.

    Args:
        host: The address.
        port: The port.
        purpose: What for, where a process listens on several: ` for metrics`.

    Raises:
        CannotListenError: It cannot.
    """
    try:
        yield
    except (OSError, OverflowError) as error:
        raise CannotListenError(f"cannot listen on {host}:{port}{purpose}: {_why(error)}") from None


def _why(error: OSError | OverflowError) -> str:
    number = getattr(error, "errno", None) or 0
    if number == errno.EADDRINUSE:
        return "something else does already; stop it, or choose another port"
    if number > 0:
        return os.strerror(number)  # its own text goes on about the address
    return (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]
