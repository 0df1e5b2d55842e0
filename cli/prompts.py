"""Questions to whoever sits at the terminal."""

import asyncio
import signal
import sys
from typing import NoReturn

import typer


def can_ask() -> bool:
    """Tell whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str) -> bool:
    """Ask a question whose answer is no, unless somebody says yes, also at the end of the input.

    Ctrl-C ends the command.

    Raises:
        asyncio.CancelledError: Ctrl-C: the event loop cannot tell it while it waits here.
    """
    before = signal.signal(signal.SIGINT, _cancel)
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        return False
    finally:
        signal.signal(signal.SIGINT, before)


def _cancel(*_: object) -> NoReturn:
    raise asyncio.CancelledError
