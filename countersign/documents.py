"""Checks of files to sign: type, integrity, page sizes, and positions of fields."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from countersign.agreements.messages import SignatureField

FILE_TYPES: Final = {
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
"""The media types that providers accept, by extension."""
LEADING_BYTES: Final = 1024
"""The most bytes that readers accept before `%PDF-` (ISO 32000-1, annex H, note 13)."""

_TAIL: Final = 2048
_MAIN_PARTS: Final = {
    ".docx": ("wordprocessingml.document.main", "ms-word.document.macroEnabled.main"),
    ".pptx": ("presentationml.presentation.main", "ms-powerpoint.presentation.macroEnabled.main"),
}
"""Substrings of the content type of an Office file's main part (ECMA-376, part 1)."""
_OVERRIDE: Final = re.compile(r"<Override\b[^>]*>")
_ATTRIBUTE: Final = re.compile(r"\b(PartName|ContentType)\s*=\s*[\"']([^\"']*)[\"']")
_IMAGES: Final = {b"\x89PNG\r\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
"""The media types of images by their first bytes."""
_OLE: Final = bytes.fromhex("D0CF11E0A1B11AE1")
_CONTENT_TYPES_LIMIT: Final = 1024**2


class UnusableFileError(Exception):
    """A file cannot be signed; the message is one sentence without the file's content."""


@dataclass(frozen=True, slots=True)
class PageSize:
    """The size of a page as displayed, after rotation, in points."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The results of a file's check.

    Args:
        pages: The page sizes of a PDF; empty for an Office file, which needs a layout engine.
        warnings: Reasons to check the file before the send, one sentence per reason.
    """

    pages: tuple[PageSize, ...] = ()
    warnings: tuple[str, ...] = ()


def image_type(content: bytes) -> str | None:
    """Return the media type of an image by its first bytes; None for another file."""
    return next((media_type for start, media_type in _IMAGES.items() if content.startswith(start)), None)


def inspect(file_name: str, content: bytes) -> FileFacts:
    """Check that a file has the type of its extension and can be signed.

    The duration grows with the file's size. Run it in another thread or process, with a time limit for a file
    from outside.

    Args:
        file_name: The file's name. Its extension determines the type.
        content: The file's content.

    Raises:
        UnusableFileError: The file is empty, of another type, damaged, protected, or has no pages.
    """
    kind = PurePath(file_name).suffix.lower()
    if kind not in FILE_TYPES:
        raise UnusableFileError(f"the provider accepts {', '.join(FILE_TYPES)}")
    if not content:
        raise UnusableFileError("is empty")
    beginning = content[:LEADING_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if beginning.startswith((b"<!doctype html", b"<html")):
        raise UnusableFileError("is a web page, not a document: download the document itself")
    return _pdf(content) if kind == ".pdf" else _office(kind, content)


def _pdf(content: bytes) -> FileFacts:
    from pypdf import PasswordType, PdfReader  # noqa: PLC0415  # slow to import, rarely used

    start = content[: LEADING_BYTES + 5].find(b"%PDF-")
    if start < 0:
        raise UnusableFileError("the content is not a .pdf file")
    if b"%%EOF" not in content[-_TAIL:]:
        raise UnusableFileError("is truncated: the end of the PDF is missing")
    try:
        reader = PdfReader(io.BytesIO(content[start:]))  # offsets count from the header
        locked = reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED
        pages = () if locked else tuple(_size(page) for page in reader.pages)
        warnings = () if locked else tuple(_pdf_warnings(reader))
    except Exception:  # noqa: BLE001  # pypdf raises many types; providers reject such files too
        raise UnusableFileError("is damaged: the pages cannot be read") from None
    if locked:
        raise UnusableFileError("is protected with a password: save it without a password")
    if not pages:
        raise UnusableFileError("has no pages")
    return FileFacts(pages, warnings)


def _size(page: Any) -> PageSize:
    width, height = float(page.cropbox.width), float(page.cropbox.height)
    return PageSize(height, width) if page.rotation % 180 else PageSize(width, height)


def _pdf_warnings(reader: Any) -> Iterator[str]:
    if reader.is_encrypted:
        yield "has restricted permissions: the provider may reject it"
    form = reader.root_object.get("/AcroForm")
    form = form.get_object() if form is not None else {}
    if int(form.get("/SigFlags", 0)) & 1:
        yield "already has a signature, which a new signature may break"
    if "/XFA" in form:
        yield "has an XFA form, which most viewers do not show"


def _office(kind: str, content: bytes) -> FileFacts:
    if content.startswith(_OLE):
        raise UnusableFileError("is protected with a password or has a format older than 2007: save it again")
    wrong = UnusableFileError(f"the content is not a {kind} file")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            with archive.open("[Content_Types].xml") as part:
                types = part.read(_CONTENT_TYPES_LIMIT).decode("utf-8")
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError, EOFError, OSError):
        raise wrong from None
    parts = [dict(_ATTRIBUTE.findall(override)) for override in _OVERRIDE.findall(types)]
    main = [
        part.get("PartName", "").lstrip("/")
        for part in parts
        if any(known in part.get("ContentType", "") for known in _MAIN_PARTS[kind])
    ]
    if not names.intersection(main):
        raise wrong
    macros = any(name.lower().endswith("vbaproject.bin") for name in names)
    return FileFacts(warnings=("has macros, which the provider removes or rejects",) if macros else ())


_MARGIN: Final = 50.0
_SIZE: Final = (200.0, 40.0)
_COLUMN: Final = 270.0
_ROW: Final = 60.0
_TOP: Final = 120.0
_BOTTOM: Final = 72.0
_LOWEST: Final = 720.0
A4: Final = PageSize(595.0, 842.0)
"""The assumed size of pages of unknown size."""


def default_fields(signers: int, page: PageSize = A4) -> tuple[SignatureField, ...]:
    """Place one signature per signer on the first page, from the bottom up.

    Args:
        signers: The number of signers.
        page: The first page's size.

    Raises:
        UnusableFileError: The page has space for fewer signatures.
    """
    width = min(_SIZE[0], page.width - 2 * _MARGIN)
    height = min(_SIZE[1], page.height / 10)
    columns = max(1, int((page.width - 2 * _MARGIN + _COLUMN - width) // _COLUMN))
    lowest = min(_LOWEST, page.height - _BOTTOM)
    rows = max(1, int((lowest - min(_TOP, lowest)) // _ROW) + 1)
    if signers > columns * rows or width <= 0:
        raise UnusableFileError(
            f"fields: the first page has space for {columns * rows} signatures; list a field for every signer"
        )
    return tuple(
        SignatureField(
            signer=number + 1,
            page=1,
            x=_MARGIN + (number % columns) * _COLUMN,
            y=lowest - (number // columns) * _ROW,
            width=width,
            height=height,
        )
        for number in range(signers)
    )


def misplaced(fields: tuple[SignatureField, ...], pages: tuple[PageSize, ...]) -> Iterator[str]:
    """Yield the problems of fields with positions, one sentence per problem.

    Args:
        fields: The fields of an agreement's input.
        pages: The document's page sizes; empty if unknown.
    """
    for place, field in enumerate(fields, 1):
        if field.page is None or field.x is None or field.y is None or not pages:
            continue
        if field.page > len(pages):
            yield f"field {place}: the document has no page {field.page}; its last page is {len(pages)}"
            continue
        page = pages[field.page - 1]
        if field.x + field.width > page.width or field.y + field.height > page.height:
            yield (
                f"field {place}: extends beyond page {field.page}, which is {page.width:g} by "
                f"{page.height:g} points"
            )
