"""Options whose value is one of a few words, written as people write them: `awaiting signatures`, too."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

import typer

ChoiceT = TypeVar("ChoiceT", bound=StrEnum)

_BETWEEN_WORDS: Final = re.compile(r"[\s_-]+")


def one_of(kind: type[ChoiceT]) -> Callable[[str], ChoiceT]:
    """Make what reads such an option, whatever the case and whatever stands between its words.

    The parser raises `typer.BadParameter`, which names all choices, when the value is none of them.
    """
    by_words = {_words(each): each for each in kind}

    def parse(text: str) -> ChoiceT:
        if (found := by_words.get(_words(text))) is None:
            raise typer.BadParameter(f"there is no {text!r}: choose one of {listed(kind)}.")
        return found

    return parse


def listed(kind: type[StrEnum]) -> str:
    """List the choices, as one writes them in a shell without quotes."""
    return ", ".join(_words(each).replace(" ", "-") for each in kind)


def _words(text: str) -> str:
    return _BETWEEN_WORDS.sub(" ", text.strip().lower())
