"""What every store promises: a file is put once, atomically, with SHA-256; never overwritten or half there.

    with store.draft() as draft:            a temporary file next to its destination
        draft.write(chunk) ...
        stored = await store.publish(key, draft)

Keys are relative paths of plain characters, `development/default/order-1042/signed.pdf`.
"""

from dataclasses import dataclass
from typing import Protocol

from countersign.storage.draft import Draft


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the store: its key, its size in bytes, its SHA-256 in hex, and where a person finds it."""

    key: str
    size: int
    sha256: str
    url: str


class Store(Protocol):
    """What an archive needs of a store; every method may raise StorageError."""

    def draft(self) -> Draft:
        """Begin a file."""

    async def publish(self, key: str, draft: Draft) -> StoredFile:
        """Publish the draft under a key, or return the file that was published there before."""

    async def find(self, key: str) -> StoredFile | None:
        """Look a key up."""

    async def read(self, key: str) -> bytes:
        """Read a whole file, for files of a few megabytes."""


async def put(store: Store, key: str, content: bytes) -> StoredFile:
    """Put a small file once; returns what is there, which is an earlier content if there was one."""
    with store.draft() as draft:
        draft.write(content)
        return await store.publish(key, draft)
