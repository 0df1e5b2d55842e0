"""Put a local file into the store, where workers find it; files never travel through Temporal."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from countersign.agreements.messages import FileSource
from countersign.agreements.validation import FILE_TYPES
from countersign.client.errors import BadInputError, UnreachableError
from countersign.client.settings import load_settings
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, UnusableStoreError, open_store, put

SIZE_LIMIT: Final = 10 * 1024 * 1024
"""Bytes. The provider documents its upload limit as "typically 10 MB"."""

_BEGINNINGS: Final = {".pdf": b"%PDF-", ".docx": b"PK\x03\x04", ".pptx": b"PK\x03\x04"}
_PARTS: Final = {".docx": b"word/document.xml", ".pptx": b"ppt/presentation.xml"}
"""What an Office file, which is a ZIP archive, holds by its kind."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that was read and checked, and is not yet in the store."""

    source: FileSource
    content: bytes = field(repr=False)


async def read_file(path: Path) -> LocalFile:
    """Read a local file and check that it is what its name says.

    Raises:
        BadInputError: It is missing, too large, or not the PDF, DOCX or PPTX that its name says.
    """
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise BadInputError(f"file {path}: {error.strerror}") from None
    kind = _checked_kind(path, content)
    digest = hashlib.sha256(content).hexdigest()
    return LocalFile(FileSource(key=f"files/{digest}{kind}", file_name=path.name, sha256=digest), content)


async def store_file(file: LocalFile) -> FileSource:
    """Put a file into the store that the settings name; the same content is kept once.

    Raises:
        BadInputError: The setting names a store that cannot be opened.
        UnreachableError: The store could not take it.
    """
    settings = load_settings(CountersignSettings)
    try:
        await put(open_store(settings.store), file.source.key, file.content)
    except UnusableStoreError as error:
        raise BadInputError(str(error)) from None
    except StorageError as error:
        raise UnreachableError(f"file {file.source.file_name}: {error}") from None
    return file.source


def _checked_kind(path: Path, content: bytes) -> str:
    kind = path.suffix.lower()
    if kind not in FILE_TYPES:
        raise BadInputError(f"file {path}: the provider takes {', '.join(FILE_TYPES)}")
    if len(content) > SIZE_LIMIT:
        raise BadInputError(f"file {path}: over {SIZE_LIMIT // 1024**2} MB, the provider's limit")
    if not content.startswith(_BEGINNINGS[kind]) or _PARTS.get(kind, b"") not in content:
        raise BadInputError(f"file {path}: its content is not that of a {kind} file")
    return kind
