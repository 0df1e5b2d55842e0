"""Waiting for what tells nobody that it has come."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(probe: Callable[[], T | None], seconds: float = 30) -> T:
    """Ask until the answer is true-ish, and return it."""
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found
