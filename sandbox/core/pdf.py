"""PDFs: rendered from paragraphs, measured, and stamped with signatures."""

import io
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pypdf import PdfReader, PdfWriter
from pypdf.errors import DependencyError, PyPdfError

Paragraph = tuple[str, str]
"""A style (`title`, `heading`, `text`) and a text; or `image` and a data URL."""

_STYLES: Final[dict[str, tuple[Literal["", "B"], int, int]]] = {
    "title": ("B", 18, 12),
    "heading": ("B", 12, 9),
    "text": ("", 11, 7),
}


_IMAGE_HEIGHT: Final = 20
"""Millimeters."""

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
"""Errors of the library for damaged files."""


class UnreadablePdfError(ValueError):
    """The bytes are no readable PDF."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, in points from the top left corner. The first page is 1."""

    page: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """The content of a signed field."""

    box: Box
    text: str
    style: Literal["signature", "text"]
    caption: str = ""


def render(
    title: str, paragraphs: Sequence[Sequence[str]], *, made_at: datetime | None = None, keywords: str = ""
) -> bytes:
    """Render paragraphs as a PDF. `keywords` go into its metadata, which holds all of Unicode."""
    pdf = _fpdf()(format="letter")
    if made_at is not None:
        pdf.set_creation_date(made_at)
    pdf.set_title(title)
    if keywords:
        pdf.set_keywords(keywords)
    pdf.set_creator("Sandbox")
    pdf.set_auto_page_break(auto=True, margin=20)
    pdf.add_page()
    for style, text in paragraphs:
        if style == "image":
            pdf.image(text, h=_IMAGE_HEIGHT, keep_aspect_ratio=True)
            pdf.ln(2)
            continue
        weight, size, height = _STYLES.get(style, _STYLES["text"])
        pdf.set_font("helvetica", weight, size)
        pdf.multi_cell(0, height, printable(text), new_x="LMARGIN", new_y="NEXT")
        pdf.ln(2)
    return bytes(pdf.output())


def page_sizes(content: bytes) -> list[tuple[float, float]]:
    """Return the width and height of the pages in points, as a viewer displays them.

    Raises:
        UnreadablePdfError: The bytes are no readable PDF.
    """
    with open_reader(content) as reader:
        return [_displayed_size(page) for page in reader.pages]


@contextmanager
def open_reader(content: bytes) -> Iterator[PdfReader]:
    """Open a PDF. Every error that its bytes cause, also inside the block, becomes `UnreadablePdfError`.

    Raises:
        UnreadablePdfError: The bytes are no PDF, or the PDF is damaged, encrypted or empty.
    """
    try:
        reader = PdfReader(io.BytesIO(content))
        if readable := not reader.is_encrypted and len(reader.pages) > 0:
            yield reader
    except _DAMAGED as error:
        raise UnreadablePdfError(type(error).__name__) from None
    if not readable:
        raise UnreadablePdfError("encrypted, or without pages")


def stamp(content: bytes, marks: Sequence[Mark], footer: str = "") -> bytes:
    """Draw marks on the pages of a PDF, and a footer on the last page.

    Raises:
        UnreadablePdfError: The bytes are no readable PDF.
    """

    def draw(pdf: Any, page: int) -> None:
        for mark in marks:
            if mark.box.page == page:
                _draw(pdf, mark)

    return _overlaid(content, draw, footer)


def hide(content: bytes, boxes: Sequence[Box]) -> bytes:
    """Paint white boxes on the pages of a PDF.

    Raises:
        UnreadablePdfError: The bytes are no readable PDF.
    """

    def draw(pdf: Any, page: int) -> None:
        pdf.set_fill_color(255, 255, 255)
        for box in boxes:
            if box.page == page:
                pdf.rect(box.x, box.y, box.width, box.height, style="F")

    return _overlaid(content, draw)


def printable(text: str) -> str:
    """Replace letters that the PDF core fonts lack (outside Latin 1) by similar ones, or by `?`."""
    cleaned = "".join(c if c == "\n" or c >= " " else " " for c in text)
    return "".join(_latin(character) for character in cleaned)


def _fpdf() -> Any:
    """Import late: it takes longer than all other imports together."""
    from fpdf import FPDF  # noqa: PLC0415 - see above

    return FPDF


def _latin(character: str) -> str:
    if character <= "\xff":
        return character
    if character in _SPELLED:
        return _SPELLED[character]
    folded = unicodedata.normalize("NFKD", character).encode("latin-1", "ignore").decode("latin-1")
    return folded or "?"


def _displayed_size(page: Any) -> tuple[float, float]:
    """Return the size of a page after its crop box and its rotation."""
    width, height = float(page.cropbox.width), float(page.cropbox.height)
    return (height, width) if page.rotation % 180 else (width, height)


def _overlaid(content: bytes, draw: Callable[[Any, int], None], footer: str = "") -> bytes:
    with open_reader(content) as reader:
        writer = PdfWriter(clone_from=reader)
        for page in writer.pages:
            page.transfer_rotation_to_content()
        sizes = [_displayed_size(page) for page in writer.pages]
        overlay = PdfReader(io.BytesIO(_overlay(sizes, draw, footer)))
        for page, drawn in zip(writer.pages, overlay.pages, strict=True):
            page.merge_translated_page(drawn, float(page.cropbox.left), float(page.cropbox.bottom))
        out = io.BytesIO()
        writer.write(out)
        return out.getvalue()


def _overlay(sizes: Sequence[tuple[float, float]], draw: Callable[[Any, int], None], footer: str) -> bytes:
    pdf = _fpdf()(unit="pt")
    pdf.set_auto_page_break(auto=False)
    for number, size in enumerate(sizes, start=1):
        pdf.add_page(format=size)
        draw(pdf, number)
    pdf.set_font("helvetica", "", 7)
    pdf.set_text_color(110, 110, 110)
    pdf.text(24, sizes[-1][1] - 14, printable(footer))
    return bytes(pdf.output())


def _draw(pdf: Any, mark: Mark) -> None:
    box = mark.box
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
