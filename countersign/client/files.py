"""Local files, and their upload to the store. Files never pass through Temporal."""

import asyncio
import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from countersign.agreements.messages import FileSource
from countersign.client.errors import BadInputError, UnreachableError
from countersign.client.settings import load_settings
from countersign.documents import FileFacts, UnusableFileError, inspect
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, UnusableStoreError, open_store, put

SIZE_LIMIT: Final = 10 * 1024 * 1024
"""The size limit in bytes. The provider documents it as "typically 10 MB"."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A checked local file that is not yet in the store."""

    source: FileSource
    facts: FileFacts
    content: bytes = field(repr=False)


async def read_file(path: Path) -> LocalFile:
    """Read a local file and check that it can be signed.

    Args:
        path: A regular file of at most 10 MB, not a device.

    Raises:
        BadInputError: The file cannot be read, is too large, or cannot be signed.
    """
    try:
        return await asyncio.to_thread(_read, path)
    except OSError as error:
        raise BadInputError(f"file {path}: {error.strerror}") from None
    except UnusableFileError as error:
        raise BadInputError(f"file {path}: {error}") from None


def _read(path: Path) -> LocalFile:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UnusableFileError("is not a regular file")
    if found.st_size > SIZE_LIMIT:
        raise UnusableFileError(f"is over {SIZE_LIMIT // 1024**2} MB, the provider's limit")
    content = path.read_bytes()
    facts = inspect(path.name, content)
    digest = hashlib.sha256(content).hexdigest()
    source = FileSource(key=f"files/{digest}{path.suffix.lower()}", file_name=path.name, sha256=digest)
    return LocalFile(source, facts, content)


async def store_file(file: LocalFile) -> FileSource:
    """Upload a file to the configured store. The store keeps equal content once.

    Raises:
        BadInputError: The store's setting is invalid.
        UnreachableError: The upload failed.
    """
    settings = load_settings(CountersignSettings)
    try:
        await put(open_store(settings.store), file.source.key, file.content)
    except UnusableStoreError as error:
        raise BadInputError(str(error)) from None
    except StorageError as error:
        raise UnreachableError(f"file {file.source.file_name}: {error}") from None
    return file.source
