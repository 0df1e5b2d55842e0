"""What PDFium reads from a PDF: the text with its positions, and pictures of the pages."""

import ctypes
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sandbox.core.pdf import Box, UnreadablePdfError

_SCALE: Final = 2.0
_LONGEST_SIDE: Final = 2000
"""Pixels: the limit for pages of any size."""
_DEVICE: Final = 100
"""Steps per point when PDFium converts a position: it returns whole numbers."""


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of one page, and the boxes of its characters."""

    text: str
    boxes: tuple[Box | None, ...]


def texts(content: bytes) -> list[PageText]:
    """Read the text of all pages, in the order of the file.

    Raises:
        UnreadablePdfError: PDFium cannot open the file.
    """
    with _document(content) as document:
        return [_text(page, number) for number, page in _pages(document)]


def picture(content: bytes, number: int) -> bytes | None:
    """Render one page as PNG, as a viewer displays it; None if the file has no such page.

    Raises:
        UnreadablePdfError: PDFium cannot open the file.
    """
    with _document(content) as document:
        if not 1 <= number <= len(document):
            return None
        page = document[number - 1]
        scale = min(_SCALE, _LONGEST_SIDE / max(page.get_size()))
        out = io.BytesIO()
        page.render(scale=scale).to_pil().save(out, "PNG")
        return out.getvalue()


def union(boxes: tuple[Box | None, ...]) -> Box | None:
    """Return the box around boxes of one page; None around none."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    left, top = min(box.x for box in known), min(box.y for box in known)
    right, bottom = max(box.x + box.width for box in known), max(box.y + box.height for box in known)
    return Box(known[0].page, left, top, right - left, bottom - top)


@contextmanager
def _document(content: bytes) -> Iterator[Any]:
    import pypdfium2  # noqa: PLC0415 - it doubles the start-up time, and only documents need it

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError:
        raise UnreadablePdfError("PDFium cannot open it") from None
    try:
        yield document
    except pypdfium2.PdfiumError:
        raise UnreadablePdfError("PDFium cannot read it") from None
    finally:
        document.close()


def _pages(document: Any) -> Iterator[tuple[int, Any]]:
    for number in range(1, len(document) + 1):
        yield number, document[number - 1]


def _text(page: Any, number: int) -> PageText:
    from pypdfium2 import raw  # noqa: PLC0415 - as above

    text = page.get_textpage()
    count = text.count_chars()
    letters = "".join(chr(raw.FPDFText_GetUnicode(text, index)) for index in range(count))
    return PageText(letters, tuple(_box(page, number, text, index) for index in range(count)))


def _box(page: Any, number: int, text: Any, index: int) -> Box | None:
    """Convert a character's box to the page as it is displayed; None for characters that PDFium adds."""
    from pypdfium2 import raw  # noqa: PLC0415 - as above

    found = raw.FS_RECTF()
    if not raw.FPDFText_GetLooseCharBox(text, index, found):
        return None
    x1, y1 = _displayed(page, found.left, found.top)
    x2, y2 = _displayed(page, found.right, found.bottom)
    return Box(number, min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1))


def _displayed(page: Any, x: float, y: float) -> tuple[float, float]:
    from pypdfium2 import raw  # noqa: PLC0415 - as above

    width, height = (round(side * _DEVICE) for side in page.get_size())
    across, down = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, across, down)
    return across.value / _DEVICE, down.value / _DEVICE
