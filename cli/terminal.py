"""Print text from outside so that a terminal shows it and does not obey it."""

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_JOINERS: Final = frozenset("\u200c\u200d")
_ACTIVE: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode's categories of control, format and separator characters: escapes, and what reorders text."""


class SafeConsole(Console):
    """A console that replaces active characters in every text that it prints, and keeps its own styles."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what to print, active characters replaced."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(inert(segment.text, keep="\n"), segment.style)


def inert(text: str, *, keep: str = "") -> str:
    """Replace every active character with U+FFFD.

    Args:
        text: From a provider, a caller or a history.
        keep: Characters that stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if letter not in keep and is_active(letter) else letter for letter in text)


def one_line(text: str) -> str:
    """Return a text that stays on one line of a table: line breaks become spaces."""
    return inert(re.sub(r"[\r\n\t\v\f\x85\u2028\u2029]+", " ", text))


def json_text(value: BaseModel | list[Any], *, indent: int | None = 2) -> str:
    """Write a value as JSON; active characters as escapes, which every JSON reader undoes."""
    content = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    return "".join(
        json.dumps(letter)[1:-1] if letter != "\n" and is_active(letter) else letter for letter in text
    )


def is_active(letter: str) -> bool:
    """Return whether a terminal may obey a character instead of showing it."""
    return unicodedata.category(letter) in _ACTIVE and letter not in _JOINERS
