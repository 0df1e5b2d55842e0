"""Addresses and certificates to listen with."""

import errno
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class CannotListenError(Exception):
    """The address or the certificate cannot be used. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files for TLS: the certificate chain and its private key."""

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Load the files.

        Raises:
            CannotListenError: A file cannot be read, the key is encrypted, or the two do not match.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # Without a password, OpenSSL would ask for the passphrase of an encrypted key on the terminal.
            context.load_cert_chain(self.chain, self.key, password="")
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            raise CannotListenError(
                f"the certificate cannot be used: {self.chain} and {self.key} must be a PEM chain and its "
                "private key without a passphrase"
            ) from None
        return context


@contextmanager
def listening_on(host: str, port: int, *, purpose: str = "") -> Iterator[None]:
    """Turn the failure to listen on an address into one sentence.

    Args:
        host: The address.
        port: The port.
        purpose: Follows the address in the sentence, for example ` for metrics`.

    Raises:
        CannotListenError: The address is in use or does not belong to this machine.
    """
    try:
        yield
    except (OSError, OverflowError) as error:
        raise CannotListenError(f"cannot listen on {host}:{port}{purpose}: {_reason(error)}") from None


def _reason(error: OSError | OverflowError) -> str:
    number = getattr(error, "errno", None) or 0
    if number == errno.EADDRINUSE:
        return "another process uses the port; stop it, or choose another port"
    if number > 0:
        return os.strerror(number)
    return (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]
