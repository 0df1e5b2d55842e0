"""Finding text in a PDF, so that a field can be put where an anchor stands."""

import re
from typing import Any, Final

from sandbox.pdf import Box, open_reader

_WIDTH: Final = 0.5
"""A letter's width as a part of its size, roughly: good enough to place a field in a line."""


class AnchorError(ValueError):
    """The anchor is not in the document, or its pattern is none."""


class PageTexts:
    """The texts of a PDF with their places, read once."""

    def __init__(self, content: bytes) -> None:
        self._texts: list[tuple[int, float, float, float, str]] = []
        with open_reader(content) as reader:
            for number, page in enumerate(reader.pages, start=1):
                self._read(number, page)

    def place(self, template: dict[str, Any]) -> tuple[Box, Box | None]:
        """Find where a field with this `template` belongs, and the anchor that it replaces.

        Raises:
            AnchorError: Its anchor is not there.
        """
        anchor = str(template.get("anchor") or template.get("searchText") or "")
        pattern = _pattern(anchor, template)
        for page, x, y, size, text in self._texts:
            if found := pattern.search(text):
                start = x + found.start() * size * _WIDTH
                width = max(1, found.end() - found.start()) * size * _WIDTH
                anchored = Box(page, start, y - size, width, size * 1.3)
                replaces = template.get("placement", "replace") == "replace"
                hidden = Box(page, start - 2, anchored.y, width * 1.3 + 4, anchored.height)
                return _beside(anchored, template), hidden if replaces else None
        raise AnchorError(f'Anchor text "{anchor}" was not found in the document')

    def _read(self, number: int, page: Any) -> None:
        height = float(page.mediabox.height)

        def visit(text: str, cm: list[float], tm: list[float], _font: Any, size: float) -> None:
            if text.strip():
                x, y = tm[4] * cm[0] + cm[4], tm[5] * cm[3] + cm[5]
                self._texts.append((number, x, height - y, float(size or 11), text.strip("\n")))

        page.extract_text(visitor_text=visit)


def _pattern(anchor: str, template: dict[str, Any]) -> re.Pattern[str]:
    flags = re.IGNORECASE if template.get("caseSensitive") is False else 0
    try:
        return re.compile(anchor if template.get("useRegex") else re.escape(anchor), flags)
    except (re.error, RecursionError, OverflowError):
        raise AnchorError(f'Anchor pattern "{anchor}" is not a regular expression') from None


def _beside(found: Box, template: dict[str, Any]) -> Box:
    size, offset = template.get("size") or {}, template.get("offset") or {}
    width, height = float(size.get("width") or found.width), float(size.get("height") or found.height)
    pinned = {"right": found.x + found.width - width, "center": found.x + (found.width - width) / 2}
    x, y = {
        "before": (found.x - width, found.y),
        "after": (found.x + found.width, found.y),
        "above": (found.x, found.y - height),
        "below": (found.x, found.y + found.height),
    }.get(str(template.get("placement")), (pinned.get(str(template.get("alignment")), found.x), found.y))
    return Box(found.page, x + float(offset.get("x") or 0), y + float(offset.get("y") or 0), width, height)
