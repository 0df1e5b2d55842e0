"""What a transport is given and gives, in no HTTP library's terms."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol


class Credentials(Protocol):
    """What authenticates a call; the only place that a key is put on the wire."""

    async def headers(self) -> Mapping[str, str]:
        """Return the headers that authenticate a call."""

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Read the credentials again after a 401; return whether others are in use now."""


class Gate(Protocol):
    """Decides whether calls may be made, and learns how they ended: the circuit."""

    def guard(self, operation: str, *, counts: bool = True) -> AbstractContextManager[None]:
        """Guard a call; raise `BlockedError` if none may be made. Ignore its failure if it does not count."""


class OpenGate:
    """Lets every call pass."""

    def guard(self, operation: str, *, counts: bool = True) -> AbstractContextManager[None]:  # noqa: ARG002  # any
        """Let the call pass."""
        return nullcontext()


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A response whose body is read in decoded chunks."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
