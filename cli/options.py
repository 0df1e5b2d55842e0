"""Options whose value is a number or one of a few words."""

import re
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Final, TypeVar

import typer

ChoiceT = TypeVar("ChoiceT", bound=StrEnum)

_BETWEEN_WORDS: Final = re.compile(r"[\s_-]+")


def one_of(kind: type[ChoiceT]) -> Callable[[str], ChoiceT]:
    """Return a parser of such an option that ignores case and separators.

    The parser raises `typer.BadParameter`, which names all choices, if the value is none of them.
    """
    by_words = {_words(member): member for member in kind}

    def parse(text: str) -> ChoiceT:
        if (found := by_words.get(_words(text))) is None:
            raise typer.BadParameter(f"{text!r} does not exist: choose one of {listed(kind)}.")
        return found

    return parse


def at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of a whole number within limits.

    The parser raises `typer.BadParameter`, which names the limits, if the value is none.
    """
    limits = f"at least {least}" if most is None else f"from {least} to {most}"

    def parse(text: str | int) -> int:
        with suppress(ValueError):
            number = int(text)
            if least <= number <= (number if most is None else most):
                return number
        raise typer.BadParameter(f"write a whole number, {limits}.")

    return parse


def listed(kind: type[StrEnum]) -> str:
    """List the choices as search attributes and tables spell them: `awaiting_signatures`."""
    return ", ".join(member.value for member in kind)


def _words(text: str) -> str:
    return _BETWEEN_WORDS.sub(" ", text.strip().lower())
