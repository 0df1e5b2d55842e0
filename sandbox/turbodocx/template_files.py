"""Read uploads that become templates."""

from sandbox.core import docx, pdf
from sandbox.core.bodies import FILE_LIMIT, Upload, parse_json
from sandbox.turbodocx import errors


def read(file: Upload) -> tuple[str, list[pdf.Paragraph]]:
    """Return an upload's kind by its content, and its text.

    Raises:
        ApiError: 400, it is no readable document.
    """
    if len(file.content) > FILE_LIMIT:
        raise errors.invalid([("templateFile", "File too large")])
    try:
        if file.content.startswith(b"%PDF"):
            pdf.page_sizes(file.content)
            return "pdf", []
        return docx.read_paragraphs(file.content)
    except (pdf.UnreadablePdfError, docx.UnreadableOfficeFileError):
        raise errors.invalid([("templateFile", "The file must be a valid DOCX, PPTX or PDF")]) from None


def texts(text: str, name: str) -> list[str]:
    """Read a JSON array of strings, or of objects with a placeholder.

    Raises:
        ApiError: 400, it is invalid.
    """
    value = parse_json(text or "[]")
    if not isinstance(value, list):
        raise errors.invalid([(name, f'"{name}" must be an array')])
    named = (
        entry.get("placeholder") or entry.get("name") if isinstance(entry, dict) else entry for entry in value
    )
    return [placeholder for placeholder in named if isinstance(placeholder, str) and placeholder]
