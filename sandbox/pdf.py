"""Real PDFs: rendered from paragraphs, searched for anchors, stamped with signatures."""

import io
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pypdf import PdfReader, PdfWriter
from pypdf.errors import DependencyError, PyPdfError

Paragraph = tuple[str, str]
"""A style (`title`, `heading`, `text`) and a text."""

_STYLES: Final[dict[str, tuple[Literal["", "B"], int, int]]] = {
    "title": ("B", 18, 12),
    "heading": ("B", 12, 9),
    "text": ("", 11, 7),
}


_SPELLED: Final = {
    "€": "EUR",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "…": "...",
    "•": "*",
    "™": "(TM)",
}


_DAMAGED: Final = (
    *(PyPdfError, DependencyError, zlib.error, struct.error, OSError, NotImplementedError, RecursionError),
    *(ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError),
)
"""What the library raises when a file lies about itself."""


class UnreadablePdfError(ValueError):
    """The bytes are no PDF that can be read."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, in points from the page's top left corner. Pages count from 1."""

    page: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """What a signer put into a field."""

    box: Box
    text: str
    style: Literal["signature", "text", "slot"]
    caption: str = ""
    cover: Box | None = None
    """What it hides: the anchor it stands for."""


def render(
    title: str, paragraphs: Sequence[Sequence[str]], *, made_at: datetime | None = None, keywords: str = ""
) -> bytes:
    """Set paragraphs as a PDF. `keywords` go into its metadata, which holds any letter there is."""
    pdf = _fpdf()(format="letter")
    if made_at is not None:
        pdf.set_creation_date(made_at)
    pdf.set_title(title)
    if keywords:
        pdf.set_keywords(keywords)
    pdf.set_creator("TurboDocx sandbox")
    pdf.set_auto_page_break(auto=True, margin=20)
    pdf.add_page()
    for style, text in paragraphs:
        weight, size, height = _STYLES.get(style, _STYLES["text"])
        pdf.set_font("helvetica", weight, size)
        pdf.multi_cell(0, height, printable(text), new_x="LMARGIN", new_y="NEXT")
        pdf.ln(2)
    return bytes(pdf.output())


def page_sizes(content: bytes) -> list[tuple[float, float]]:
    """Measure each page, in points.

    Raises:
        UnreadablePdfError: The bytes are no PDF.
    """
    with open_reader(content) as reader:
        return [(float(page.mediabox.width), float(page.mediabox.height)) for page in reader.pages]


def text_of(content: bytes) -> str:
    """Read a PDF's text.

    Raises:
        UnreadablePdfError: The bytes are no PDF.
    """
    with open_reader(content) as reader:
        return "\n\n".join(page.extract_text() for page in reader.pages)


@contextmanager
def open_reader(content: bytes) -> Iterator[PdfReader]:
    """Open a PDF; whatever its bytes make the library raise, inside too, is one error.

    Raises:
        UnreadablePdfError: The bytes are no PDF, or are a damaged or encrypted one.
    """
    try:
        reader = PdfReader(io.BytesIO(content))
        if readable := not reader.is_encrypted and len(reader.pages) > 0:
            yield reader
    except _DAMAGED as error:
        raise UnreadablePdfError(type(error).__name__) from None
    if not readable:
        raise UnreadablePdfError("encrypted, or without pages")


def stamp(content: bytes, marks: Sequence[Mark], footer: str) -> bytes:
    """Draw marks over a PDF's pages, and a footer on the last.

    Raises:
        UnreadablePdfError: The bytes are no PDF.
    """
    with open_reader(content) as reader:
        sizes = [(float(page.mediabox.width), float(page.mediabox.height)) for page in reader.pages]
        overlay = PdfReader(io.BytesIO(_overlay(sizes, marks, footer)))
        writer = PdfWriter(clone_from=reader)
        for page, drawn in zip(writer.pages, overlay.pages, strict=True):
            page.merge_page(drawn)
        out = io.BytesIO()
        writer.write(out)
        return out.getvalue()


def printable(text: str) -> str:
    """Keep what the PDF core fonts can show (Latin 1); other letters lose accents, or become `?`."""
    cleaned = "".join(c if c == "\n" or c >= " " else " " for c in text)
    return "".join(_latin(character) for character in cleaned)


def _fpdf() -> Any:
    """Import it when it is needed: it takes longer than all the rest together, and a start must be quick."""
    from fpdf import FPDF  # noqa: PLC0415 - as said

    return FPDF


def _latin(character: str) -> str:
    if character <= "\xff":
        return character
    if character in _SPELLED:
        return _SPELLED[character]
    folded = unicodedata.normalize("NFKD", character).encode("latin-1", "ignore").decode("latin-1")
    return folded or "?"


def _overlay(sizes: Sequence[tuple[float, float]], marks: Sequence[Mark], footer: str) -> bytes:
    pdf = _fpdf()(unit="pt")
    pdf.set_auto_page_break(auto=False)
    for number, size in enumerate(sizes, start=1):
        pdf.add_page(format=size)
        for mark in marks:
            if mark.box.page == number:
                _draw(pdf, mark)
    pdf.set_font("helvetica", "", 7)
    pdf.set_text_color(110, 110, 110)
    pdf.text(24, sizes[-1][1] - 14, printable(footer))
    return bytes(pdf.output())


def _draw(pdf: Any, mark: Mark) -> None:
    box = mark.box
    if mark.cover is not None:
        pdf.set_fill_color(255, 255, 255)
        pdf.rect(mark.cover.x, mark.cover.y, mark.cover.width, mark.cover.height, style="F")
    if mark.style == "slot":
        pdf.set_fill_color(255, 236, 170)
        pdf.rect(box.x, box.y, box.width, box.height, style="F")
    signed = mark.style == "signature"
    size = max(7.0, min(box.height * 0.6, 22.0))
    pdf.set_text_color(20, 40, 120) if signed else pdf.set_text_color(0, 0, 0)
    pdf.set_font("times" if signed else "helvetica", "I" if signed else "", size)
    text = printable(mark.text)
    wide = pdf.get_string_width(text)
    if wide > box.width > 0:
        pdf.set_font_size(max(5.0, size * box.width / wide))
    pdf.text(box.x, box.y + box.height * 0.7, text)
    if mark.caption:
        pdf.set_font("helvetica", "", 5)
        pdf.text(box.x, box.y + box.height + 4, printable(mark.caption))
