"""A file while it is being written, with its size and hash."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self


class StorageError(Exception):
    """The store could not do what it was asked; the message names the store's trouble, never a content."""


class UnusableStoreError(StorageError):
    """The store that `COUNTERSIGN_STORE` names cannot be opened; the message has the reason."""

    def __init__(self, why: str) -> None:
        super().__init__(f"COUNTERSIGN_STORE: {why}")


def trouble(error: OSError) -> StorageError:
    """Return the operating system's message without a path."""
    return StorageError(f"store: {error.strerror or type(error).__name__}")


class Draft:
    """A file being written: under no key until it is published, gone when its `with` block ends."""

    def __init__(self, folder: Path) -> None:
        try:
            descriptor, name = tempfile.mkstemp(dir=folder)
        except OSError as error:
            raise trouble(error) from None
        self.path = Path(name)
        self.size = 0
        self._file = os.fdopen(descriptor, "w+b")
        self._hash = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            StorageError: The disk is full or the like.
        """
        try:
            self._file.write(chunk)
        except OSError as error:
            raise trouble(error) from None
        self._hash.update(chunk)
        self.size += len(chunk)

    @property
    def sha256(self) -> str:
        """The hash of what was written so far, in hex."""
        return self._hash.hexdigest()

    def flush(self) -> None:
        """Let readers of `path` see all that was written."""
        try:
            self._file.flush()
        except OSError as error:
            raise trouble(error) from None

    def sync(self) -> None:
        """Flush the content to the disk.

        Raises:
            StorageError: The disk is full or the like.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise trouble(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk raises again when the rest is flushed
            self._file.close()
        self.path.unlink(missing_ok=True)
