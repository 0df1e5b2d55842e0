"""Callbacks for progress messages."""

from collections.abc import Callable

Report = Callable[[str], None]
"""A function that receives a message of one sentence."""


def ignore(_message: str) -> None:
    """Discard a message."""
