"""Sentences for whoever waits, told while something is done."""

from collections.abc import Callable

Report = Callable[[str], None]
"""Is told a sentence."""


def ignore(_sentence: str) -> None:
    """Let a sentence go unheard."""
