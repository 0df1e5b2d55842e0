"""Places of fields: checks, text placeholders in PDFs, and boxes in points."""

import re
from collections.abc import Iterator
from typing import Any, Final, get_args

from sandbox.core import pdf, pdfium
from sandbox.core.pdf import Box
from sandbox.core.store import Row
from sandbox.documenso import errors
from sandbox.documenso.values import FIELD_TYPES

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z_]+)\s*,\s*r(\d+)\s*(?:,[^{}]*)?\}\}")
_MARGIN: Final = 1.0


def check_page(content: bytes, page: int) -> None:
    """Check that a document has a page.

    Raises:
        ApiError: 400 `INVALID_REQUEST`, it has not.
    """
    count = len(pdf.page_sizes(content))
    if page > count:
        raise errors.app_error("INVALID_REQUEST", f"Page {page} does not exist: the document has {count}")


def placeholders(content: bytes) -> tuple[list[tuple[int, dict[str, Any]]], bytes]:
    """Find the text placeholders of a document, such as `{{signature, r1}}`.

    Returns:
        For each the number of its recipient, from 1, and the columns of its field; and the document without
        the placeholders.
    """
    sizes = pdf.page_sizes(content)
    found, covers = [], []
    for match, box in _matches(content, _PLACEHOLDER):
        kind = match[1].upper()
        if kind in get_args(FIELD_TYPES):
            found.append((int(match[2]), {"type": kind} | percent(box, sizes)))
            covers.append(_with_margin(box))
    return found, pdf.hide(content, covers) if covers else content


def search(content: bytes, text: str) -> list[dict[str, Any]]:
    """Return the places of a text."""
    sizes = pdf.page_sizes(content)
    return [percent(box, sizes) for _, box in _matches(content, re.compile(re.escape(text)))]


def percent(box: Box, sizes: list[tuple[float, float]]) -> dict[str, Any]:
    """Convert a box to page, x, y, width and height in percent of its page."""
    width, height = sizes[box.page - 1]
    return {
        "page": box.page,
        "x": round(box.x / width * 100, 4),
        "y": round(box.y / height * 100, 4),
        "width": round(box.width / width * 100, 4),
        "height": round(box.height / height * 100, 4),
    }


def box_of(field: Row, sizes: list[tuple[float, float]]) -> Box:
    """Convert the place of a field to points; a field can be on a page that no longer exists."""
    page = min(field["page"], len(sizes))
    width, height = sizes[page - 1]
    return Box(
        page,
        field["x"] / 100 * width,
        field["y"] / 100 * height,
        field["width"] / 100 * width,
        field["height"] / 100 * height,
    )


def _matches(content: bytes, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], Box]]:
    for page in pdfium.texts(content):
        for match in pattern.finditer(page.text):
            if box := pdfium.union(page.boxes[slice(*match.span())]):
                yield match, box


def _with_margin(box: Box) -> Box:
    return Box(box.page, box.x - _MARGIN, box.y - _MARGIN, box.width + 2 * _MARGIN, box.height + 2 * _MARGIN)
