"""Local files, and their upload to the store. Files never pass through Temporal."""

import asyncio
import hashlib
import os
import pwd
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from countersign.agreements.messages import FileSource
from countersign.agreements.validation import IMAGE_TYPES
from countersign.client.errors import BadInputError, UnreachableError
from countersign.client.settings import load_settings
from countersign.documents import FileFacts, UnusableFileError, image_type, inspect
from countersign.isolation import IsolatedCallError, run_isolated
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, UnusableStoreError, open_store, put

SIZE_LIMIT: Final = 10 * 1024 * 1024
"""The size limit in bytes. The provider documents it as "typically 10 MB"."""
_CHECK_SECONDS: Final = 10.0
"""The time limit of a check of bytes from outside: a PDF of a few kB can keep a reader busy for long."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A checked local file that is not yet in the store.

    Args:
        name: Its name, without a folder.
        sha256: Its hash in hexadecimal.
        facts: What its check found; nothing for an image.
        content: Its bytes.
    """

    name: str
    sha256: str
    facts: FileFacts
    content: bytes = field(repr=False)

    @property
    def key(self) -> str:
        """Its key in the store, which keeps equal content once."""
        return f"files/{self.sha256}{Path(self.name).suffix.lower()}"


async def read_file(path: Path, content: bytes | None = None) -> LocalFile:
    """Read a local file and check that it can be signed.

    Args:
        path: A regular file of at most 10 MB, not a device; with `content`, its name alone.
        content: Its bytes, if another program sent them: then another process checks them, for 10 s at most.

    Raises:
        BadInputError: The file cannot be read, is too large, or cannot be signed.
    """
    return await _read(path, content, inspect)


async def read_image(path: Path, content: bytes | None = None) -> LocalFile:
    """Read a local image and check its type.

    Args:
        path: A regular PNG, JPEG or GIF of at most 10 MB; with `content`, its name alone.
        content: Its bytes, if another program sent them.

    Raises:
        BadInputError: The file cannot be read, is too large, or is no such image.
    """
    return await _read(path, content, _inspect_image)


def _inspect_image(file_name: str, content: bytes) -> FileFacts:
    if image_type(content) != IMAGE_TYPES.get(Path(file_name).suffix.lower(), ""):
        raise UnusableFileError(f"is not the image that its name says: use {', '.join(IMAGE_TYPES)}")
    return FileFacts()


def why_unreadable(error: OSError) -> str:
    """Say why a file cannot be read, after its name: systemd's command runs as a user of its own."""
    if not isinstance(error, PermissionError):
        return error.strerror or type(error).__name__
    user = os.geteuid()
    with suppress(KeyError):
        return f"the user {pwd.getpwuid(user).pw_name} may not read it"
    return f"the user {user} may not read it"


async def _read(path: Path, content: bytes | None, check: Callable[[str, bytes], FileFacts]) -> LocalFile:
    try:
        if content is None:
            return await asyncio.to_thread(_read_now, path, check)
        _check_size(len(content))
        facts = await run_isolated(check, _CHECK_SECONDS, path.name, content)
        return LocalFile(path.name, hashlib.sha256(content).hexdigest(), facts, content)
    except IsolatedCallError:
        raise BadInputError(f"file {path}: cannot be read within {_CHECK_SECONDS:g} s") from None
    except OSError as error:
        raise BadInputError(f"file {path}: {why_unreadable(error)}") from None
    except UnusableFileError as error:
        raise BadInputError(f"file {path}: {error}") from None


def _read_now(path: Path, check: Callable[[str, bytes], FileFacts]) -> LocalFile:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UnusableFileError("is not a regular file")
    _check_size(found.st_size)
    content = path.read_bytes()
    return LocalFile(path.name, hashlib.sha256(content).hexdigest(), check(path.name, content), content)


def _check_size(size: int) -> None:
    if size > SIZE_LIMIT:
        raise UnusableFileError(f"is over {SIZE_LIMIT // 1024**2} MB, the provider's limit")


async def file_source(path: Path) -> FileSource:
    """Check a local file, put it into the configured store, and return the source that sends it.

    Args:
        path: A PDF, DOCX or PPTX of at most 10 MB.

    Raises:
        BadInputError: The file cannot be read or signed, or the store's setting is invalid.
        UnreachableError: The upload failed.
    """
    file = await read_file(path)
    await store_file(file)
    return FileSource(key=file.key, file_name=file.name, sha256=file.sha256)


async def store_file(file: LocalFile) -> None:
    """Upload a file to the configured store. The store keeps equal content once.

    Raises:
        BadInputError: The store's setting is invalid.
        UnreachableError: The upload failed.
    """
    settings = load_settings(CountersignSettings)
    try:
        await put(open_store(settings.store), file.key, file.content)
    except UnusableStoreError as error:
        raise BadInputError(str(error)) from None
    except StorageError as error:
        raise UnreachableError(f"file {file.name}: {error}") from None
