"""Sentences for whoever waits, told while something is done."""

from collections.abc import Callable

Tell = Callable[[str], None]
"""Is told a sentence."""


def tell_nobody(_sentence: str) -> None:
    """Let a sentence go unheard."""
