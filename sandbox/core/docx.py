"""Read the text of DOCX and PPTX files, and write plain DOCX files."""

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from sandbox.core.pdf import Paragraph

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_PART_LIMIT: Final = 20 * 1024 * 1024
_STYLES: Final = {"title": "Title", "heading": "Heading1"}
_SLIDE: Final = re.compile(r"ppt/slides/slide(\d+)\.xml")

_CONTENT_TYPES: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Target="word/document.xml" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)


class UnreadableOfficeFileError(ValueError):
    """The bytes are no readable DOCX or PPTX."""


def read_paragraphs(content: bytes) -> tuple[str, list[Paragraph]]:
    """Return an office file's kind (`docx` or `pptx`) and its text.

    Raises:
        UnreadableOfficeFileError: It is neither.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            if "word/document.xml" in names:
                return "docx", _word(_parse(archive, "word/document.xml"))
            slides = sorted((int(m[1]), m[0]) for m in map(_SLIDE.fullmatch, names) if m)
            if slides:
                return "pptx", [
                    paragraph for _, name in slides for paragraph in _slide(_parse(archive, name))
                ]
    except (zipfile.BadZipFile, ET.ParseError, NotImplementedError, RuntimeError, OSError, EOFError):
        raise UnreadableOfficeFileError("damaged") from None
    except (ValueError, KeyError, RecursionError) as error:
        raise UnreadableOfficeFileError(str(error)) from None
    raise UnreadableOfficeFileError("neither a document nor slides")


def write(paragraphs: Sequence[Sequence[str]]) -> bytes:
    """Write paragraphs as a DOCX."""
    body = "".join(
        _paragraph("text", "[image]") if style == "image" else _paragraph(style, text)
        for style, text in paragraphs
    )
    document = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w='
        f'"{_W[1:-1]}"><w:body>{body}</w:body></w:document>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _CONTENT_TYPES)
        archive.writestr("_rels/.rels", _RELATIONS)
        archive.writestr("word/document.xml", document)
    return out.getvalue()


def _paragraph(style: str, text: str) -> str:
    named = f'<w:pPr><w:pStyle w:val="{_STYLES[style]}"/></w:pPr>' if style in _STYLES else ""
    legal = "".join(c if c >= " " or c in "\t\n" else " " for c in text)
    return f'<w:p>{named}<w:r><w:t xml:space="preserve">{escape(legal)}</w:t></w:r></w:p>'


def _parse(archive: zipfile.ZipFile, name: str) -> ET.Element:
    if archive.getinfo(name).file_size > _PART_LIMIT:
        raise ValueError("too large when unpacked")
    raw = archive.read(name)
    if b"<!DOCTYPE" in raw:
        raise ValueError("holds a DOCTYPE")
    return ET.fromstring(raw)  # noqa: S314 - no DOCTYPE, so no entities to expand


def _word(root: ET.Element) -> list[Paragraph]:
    paragraphs = []
    for element in root.iter(f"{_W}p"):
        text = "".join(run.text or "" for run in element.iter(f"{_W}t"))
        style = element.find(f"{_W}pPr/{_W}pStyle")
        if text.strip():
            paragraphs.append((_style("" if style is None else style.get(f"{_W}val", "")), text))
    return paragraphs


def _slide(root: ET.Element) -> list[Paragraph]:
    texts = ("".join(run.text or "" for run in p.iter(f"{_A}t")) for p in root.iter(f"{_A}p"))
    return [("text", text) for text in texts if text.strip()]


def _style(name: str) -> str:
    if name.lower().startswith("title"):
        return "title"
    return "heading" if name.lower().startswith("heading") else "text"
