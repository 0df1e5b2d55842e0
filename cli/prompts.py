"""Questions to the user at the terminal."""

import asyncio
import signal
import sys
from typing import NoReturn

import typer


def can_ask() -> bool:
    """Return whether a user can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str) -> bool:
    """Ask a question; anything but yes is no, also the end of the input.

    Ctrl-C ends the command.

    Raises:
        asyncio.CancelledError: Ctrl-C, which the event loop cannot see while this waits.
    """
    before = signal.signal(signal.SIGINT, _cancel)
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        return False
    finally:
        signal.signal(signal.SIGINT, before)


def ask(question: str, *, hidden: bool = False) -> str:
    """Ask for a text until there is one; `hidden` shows none of it.

    Raises:
        asyncio.CancelledError: Ctrl-C or the end of the input.
    """
    before = signal.signal(signal.SIGINT, _cancel)
    try:
        return str(typer.prompt(question, err=True, hide_input=hidden)).strip()
    except typer.Abort:
        raise asyncio.CancelledError from None
    finally:
        signal.signal(signal.SIGINT, before)


def _cancel(*_: object) -> NoReturn:
    raise asyncio.CancelledError
