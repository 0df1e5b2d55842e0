"""Search a PDF for the anchor of a field."""

import re
from typing import Any, Final

from sandbox.core import pdfium
from sandbox.core.pdf import Box

_MARGIN: Final = 1.0
"""Points around an anchor that its cover hides too."""


class AnchorError(ValueError):
    """The document has no such anchor, or its pattern is invalid."""


class PageTexts:
    """The texts of a PDF with their positions, read once."""

    def __init__(self, content: bytes) -> None:
        self._pages = pdfium.texts(content)

    def place(self, template: dict[str, Any]) -> tuple[Box, Box | None]:
        """Return the box of a field with this `template`, and the box of the anchor if the field replaces it.

        Raises:
            AnchorError: The document has no such anchor, or its pattern is invalid.
        """
        anchor = str(template.get("anchor") or template.get("searchText") or "")
        pattern = _pattern(anchor, template)
        for page in self._pages:
            if (found := pattern.search(page.text)) and (
                box := pdfium.union(page.boxes[slice(*found.span())])
            ):
                replaces = template.get("placement", "replace") == "replace"
                return _beside(box, template), _with_margin(box) if replaces else None
        raise AnchorError(f'Anchor text "{anchor}" was not found in the document')


def _pattern(anchor: str, template: dict[str, Any]) -> re.Pattern[str]:
    flags = re.IGNORECASE if template.get("caseSensitive") is False else 0
    try:
        return re.compile(anchor if template.get("useRegex") else re.escape(anchor), flags)
    except (re.error, RecursionError, OverflowError):
        raise AnchorError(f'Anchor pattern "{anchor}" is not a regular expression') from None


def _with_margin(box: Box) -> Box:
    return Box(box.page, box.x - _MARGIN, box.y - _MARGIN, box.width + 2 * _MARGIN, box.height + 2 * _MARGIN)


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
