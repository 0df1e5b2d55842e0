"""What every store promises: a file is put once, atomically, with SHA-256; never overwritten or half there.

    with store.draft() as draft:            a temporary file next to its destination
        draft.write(chunk) ...
        stored = await store.publish(key, draft)

Keys are relative paths of plain characters, `development/default/order-1042/signed.pdf`.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from countersign.storage.draft import Draft, StorageError

AGREEMENT: Final = "agreement"
"""The kind of our own claims, whose files have no prefix."""


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """Names files; environments and namespaces that share a store stay apart.

    Args:
        environment: The deployment's environment.
        namespace: Temporal's namespace.
    """

    environment: str
    namespace: str

    def claim(self, reference: str, number: int = 1, kind: str = AGREEMENT) -> str:
        """Return the key of a reference's claim; `number` counts the claims that were released before."""
        return self._of_claim(reference, number, kind, "claim")

    def released(self, reference: str, number: int, kind: str = AGREEMENT) -> str:
        """Return the key of the file that marks a claim as released."""
        return self._of_claim(reference, number, kind, "released")

    def sending(self, reference: str, claim: int, number: int) -> str:
        """Name the fence of an attempt to send, under a claim of the reference."""
        return self._of(
            reference, f"sending-{number}.json" if claim == 1 else f"sending-{number}.{claim}.json"
        )

    def sent(self, reference: str, claim: int, number: int) -> str:
        """Name the file that holds the id of the document that an attempt has sent."""
        return self._of(reference, f"sent-{number}.json" if claim == 1 else f"sent-{number}.{claim}.json")

    def input(self, reference: str, claim: int) -> str:
        """Name the input of the agreement that holds a claim."""
        return self._of(reference, "input.json" if claim == 1 else f"input.{claim}.json")

    def recovered(self, reference: str, number: int, kind: str = AGREEMENT) -> str:
        """Name the file that hands a claim on to the one that continues it."""
        return self._of_claim(reference, number, kind, "recovered")

    def end(self, reference: str) -> str:
        """Name the file that holds how an agreement ended, and when."""
        return self._of(reference, "end.json")

    def hold(self, reference: str) -> str:
        """Name the file that keeps an agreement from being purged."""
        return self._of(reference, "hold.json")

    def signed_document(self, reference: str) -> str:
        """Name the signed PDF."""
        return self._of(reference, "signed.pdf")

    def audit_trail(self, reference: str) -> str:
        """Name the provider's audit trail."""
        return self._of(reference, "audit-trail.json")

    def attachment(self, reference: str, name: str) -> str:
        """Name a further file of the provider, for example its certificate."""
        return self._of(reference, name)

    def timeline(self, reference: str) -> str:
        """Name our own timeline."""
        return self._of(reference, "timeline.json")

    def rows(self, batch: str, table_sha256: str, chunk: int) -> str:
        """Name a chunk of a batch's rows; another table under the batch's name has rows of its own."""
        return self._of_batch(batch, table_sha256, f"rows-{chunk:05}.jsonl")

    def refused_rows(self, batch: str, table_sha256: str, chunk: int) -> str:
        """Name the rows of a chunk that could not be started."""
        return self._of_batch(batch, table_sha256, f"refused-{chunk:05}.jsonl")

    def _of_claim(self, reference: str, number: int, kind: str, what: str) -> str:
        own = what if kind == AGREEMENT else f"{kind}-{what}"
        return self._of(reference, f"{own}.json" if number == 1 else f"{own}.{number}.json")

    def _of_batch(self, batch: str, table_sha256: str, name: str) -> str:
        return f"{self.environment}/{self.namespace}/batches/{batch}/{table_sha256}/{name}"

    @property
    def folder(self) -> str:
        """The folder that holds a folder for each reference."""
        return f"{self.environment}/{self.namespace}"

    def of_reference(self, reference: str) -> str:
        """Name the folder of a reference."""
        return f"{self.folder}/{reference.lower()}"

    def _of(self, reference: str, name: str) -> str:
        return f"{self.of_reference(reference)}/{name}"


_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)


def check_key(key: str) -> str:
    """Check a key and return it.

    Raises:
        StorageError: The key is not a relative path of letters, digits, dots and dashes.
    """
    if _KEY.fullmatch(key) is None:
        raise StorageError("store: a key must be a relative path of letters, digits, dots and dashes")
    return key


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

    async def size(self, key: str) -> int | None:
        """Return a file's size in bytes; None if there is no such file."""

    def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Read a file's bytes from `start` to before `end`, in chunks."""

    async def keys(self, folder: str) -> list[str]:
        """Return the keys of the files in a folder and below it, sorted."""

    async def delete(self, key: str) -> None:
        """Delete a file; one that is not there is no error."""


async def put(store: Store, key: str, content: bytes) -> StoredFile:
    """Put a small file once; returns what is there, which is an earlier content if there was one."""
    with store.draft() as draft:
        draft.write(content)
        return await store.publish(key, draft)


async def put_entry(store: Store, key: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put a small JSON object once; returns what is there, which is an earlier one if there was one."""
    content = json.dumps(entry).encode()
    stored = await put(store, key, content)
    if stored.sha256 == hashlib.sha256(content).hexdigest():
        return entry
    found: dict[str, Any] = json.loads(await store.read(key))
    return found
