"""What a transport is given and gives, in no HTTP library's terms."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol


class Credentials(Protocol):
    """What authenticates a call; the only place that a key is put on the wire."""

    async def headers(self) -> Mapping[str, str]:
        """Return the headers that authenticate, asked anew for every call."""

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Look for others than the refused headers, soon after a 401; True if there are others now."""


class Gate(Protocol):
    """What decides whether calls go out, and learns from each what became of it: the circuit."""

    def guard(self, operation: str) -> AbstractContextManager[None]:
        """Let a call pass and judge what it raises; raises `HeldError` on entering if none may."""


class OpenGate:
    """Lets every call pass."""

    def guard(self, operation: str) -> AbstractContextManager[None]:  # noqa: ARG002  # any
        """Let the call pass."""
        return nullcontext()


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An answer whose body is still to be read, decoded, in chunks."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
