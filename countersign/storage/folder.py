"""A store in a local folder."""

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from countersign.storage.draft import Draft, StorageError, UnusableStoreError, trouble
from countersign.storage.store import StoredFile, check_key

_LEFTOVER_SECONDS: Final = 86_400
_BLOCK: Final = 1 << 20


class FolderStore:
    """A store in a local folder. Publishing is a hard link: it exists whole or not at all, and only once.

    Args:
        folder: Made if missing. Drafts that a killed process left are swept away after a day.

    Raises:
        UnusableStoreError: The folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._drafts = self._folder / ".drafts"
        try:
            self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sweep(self._drafts)
        except OSError as error:
            raise UnusableStoreError(
                f"{self._folder} cannot be used as a folder: {error.strerror or type(error).__name__}"
            ) from None

    def draft(self) -> Draft:
        """Begin a file in the same file system."""
        return Draft(self._drafts)

    async def publish(self, key: str, draft: Draft) -> StoredFile:
        """Link the draft to its key; what was there before stays and is returned."""
        path = self._path(key)
        try:
            await asyncio.to_thread(_publish, draft, path)
        except FileExistsError:
            pass
        except OSError as error:
            raise trouble(error) from None
        else:
            return StoredFile(key, draft.size, draft.sha256, path.as_uri())
        found = await self.find(key)
        if found is None:
            raise StorageError(f"store: {key} vanished while it was read")
        return found

    async def find(self, key: str) -> StoredFile | None:
        """Look a key up and hash what is there."""
        path = self._path(key)
        try:
            size, sha256 = await asyncio.to_thread(_measure, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise trouble(error) from None
        return StoredFile(key, size, sha256, path.as_uri())

    async def read(self, key: str) -> bytes:
        """Read a whole file."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except FileNotFoundError:
            raise StorageError(f"store: {key} does not exist") from None
        except OSError as error:
            raise trouble(error) from None

    async def size(self, key: str) -> int | None:
        """Return a file's size."""
        path = self._path(key)
        try:
            return (await asyncio.to_thread(path.stat)).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise trouble(error) from None

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Read a part of a file."""
        try:
            path = self._path(key)
            while start < end and (
                chunk := await asyncio.to_thread(_read, path, start, min(_BLOCK, end - start))
            ):
                start += len(chunk)
                yield chunk
        except FileNotFoundError:
            raise StorageError(f"store: {key} does not exist") from None
        except OSError as error:
            raise trouble(error) from None

    async def keys(self, folder: str) -> list[str]:
        """List a folder and those in it."""
        try:
            return await asyncio.to_thread(self._walk, check_key(folder))
        except OSError as error:
            raise trouble(error) from None

    async def delete(self, key: str) -> None:
        """Delete a file, and its folder if that is empty then."""
        path = self._path(key)
        try:
            await asyncio.to_thread(_delete, path)
        except OSError as error:
            raise trouble(error) from None

    def _walk(self, folder: str) -> list[str]:
        found = os.walk(self._folder / folder, onerror=_raise_unless_missing)
        paths = (Path(parent, name) for parent, _, names in found for name in names)
        return sorted(path.relative_to(self._folder).as_posix() for path in paths)

    def _path(self, key: str) -> Path:
        return self._folder / check_key(key)


def _sweep(drafts: Path) -> None:
    """Delete the drafts of killed processes. Other workers may publish theirs at the same time."""
    for draft in drafts.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if draft.stat().st_mtime < time.time() - _LEFTOVER_SECONDS:
                draft.unlink()


def _read(path: Path, start: int, size: int) -> bytes:
    """Read a block; a cancellation that comes meanwhile leaves no open file."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _publish(draft: Draft, path: Path) -> None:
    draft.sync()
    try:
        os.link(draft.path, path)
    except FileNotFoundError:  # most files are in a folder that exists
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.link(draft.path, path)
    _sync_folder(path.parent)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it holds other files, or is gone
        path.parent.rmdir()


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _measure(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        return file.tell(), digest.hexdigest()
