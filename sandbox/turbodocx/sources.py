"""The source of a document: an upload, a link, a deliverable or a template."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.core import docx, pdf
from sandbox.core.bodies import FILE_LIMIT, Upload
from sandbox.core.store import Row
from sandbox.core.validation import is_uuid
from sandbox.turbodocx import errors
from sandbox.turbodocx.fetching import FetchError, fetch
from sandbox.turbodocx.sandbox import Sandbox

_EXTENSIONS: Final = frozenset({".pdf", ".docx", ".pptx"})
_LINK_LIMIT: Final = 2048


@dataclass(frozen=True, slots=True)
class Source:
    """A document to sign.

    Args:
        content: The PDF.
        file_name: Its name.
        kind: `file`, `link`, `deliverable` or `template`.
        template: The template, if the document comes from one.
    """

    content: bytes
    file_name: str
    kind: str
    template: Row | None = None


async def read(sandbox: Sandbox, fields: dict[str, Any], upload: Upload | None) -> Source:
    """Read the source of a send.

    Raises:
        ApiError: The send has no source or several, or the source cannot be read.
    """
    names = [name for name in ("fileLink", "deliverableId", "templateId") if fields.get(name)]
    if len(names) + (upload is not None) != 1:
        raise errors.single_step("Must provide exactly one file source", "InvalidFileSource")
    if upload is not None:
        return _as_pdf(upload.content, str(fields.get("fileName") or upload.name), upload.name)
    value = fields[names[0]]
    if not isinstance(value, str):
        raise errors.invalid([(names[0], f'"{names[0]}" must be a string')])
    if names[0] == "fileLink":
        return await _fetched(value)
    if not is_uuid(value):
        raise errors.invalid([(names[0], f'"{names[0]}" must be a valid GUID')])
    return (
        _deliverable(sandbox, value.lower())
        if names[0] == "deliverableId"
        else _template(sandbox, value.lower())
    )


def _deliverable(sandbox: Sandbox, deliverable_id: str) -> Source:
    row = sandbox.store.find("deliverables", deliverable_id)
    if row is None or not row["is_active"]:
        raise errors.single_step("Deliverable not found", "DeliverableNotFound", status=404)
    return Source(sandbox.store.file(deliverable_id) or b"", f"{row['name']}.pdf", "deliverable")


def _template(sandbox: Sandbox, template_id: str) -> Source:
    row = sandbox.store.find("templates", template_id)
    if row is None or not row["is_active"]:
        raise errors.single_step("Template not found", "TemplateNotFound", status=404)
    kept = sandbox.store.file(template_id) if row["file_type"] == "pdf" else None
    content = kept or pdf.render(row["name"], row["paragraphs"], made_at=sandbox.clock.now())
    return Source(content, f"{row['name']}.pdf", "template", row)


async def _fetched(link: str) -> Source:
    try:
        url = urlsplit(link)
    except ValueError:
        url = urlsplit("")
    if url.scheme not in {"http", "https"} or not url.hostname or len(link) > _LINK_LIMIT:
        raise errors.single_step("fileLink must be a valid URL", "InvalidFileSource")
    try:
        content = await fetch(link, FILE_LIMIT)
    except FetchError:
        raise errors.single_step("The file could not be fetched from fileLink", "FileFetchFailed") from None
    name = PurePosixPath(url.path).name or "document.pdf"
    return _as_pdf(content, name, name if PurePosixPath(name).suffix else f"{name}.pdf", kind="link")


def _as_pdf(content: bytes, file_name: str, part_name: str, kind: str = "file") -> Source:
    """Check a file's content and the extension of its name; convert office files to PDF."""
    if len(content) > FILE_LIMIT:
        raise errors.single_step("File exceeds the 10MB limit", "FileTooLarge", status=413)
    if PurePosixPath(part_name).suffix.lower() not in _EXTENSIONS:
        raise errors.single_step("Unsupported file type: use .pdf, .docx or .pptx", "UnsupportedFileType")
    try:
        if content.startswith(b"%PDF"):
            pdf.page_sizes(content)
            return Source(content, file_name, kind)
        _, paragraphs = docx.read_paragraphs(content)
    except (pdf.UnreadablePdfError, docx.UnreadableOfficeFileError):
        raise errors.single_step("The file is not a readable PDF, DOCX or PPTX", "InvalidFile") from None
    return Source(pdf.render(file_name, paragraphs), file_name, kind)
