"""Questions to the user at the terminal."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer


def can_ask() -> bool:
    """Return whether a user can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str) -> bool:
    """Ask a question; anything but yes is no, also the end of the input.

    Ctrl-C and signals end the command.

    Raises:
        asyncio.CancelledError: Ctrl-C or a signal.
    """
    with _ended_by_signals():
        try:
            return typer.confirm(question, err=True)
        except typer.Abort:
            return False


def ask(question: str, *, hidden: bool = False) -> str:
    """Ask for a text until there is one; `hidden` shows none of it.

    Raises:
        asyncio.CancelledError: Ctrl-C, a signal, or the end of the input.
    """
    with _ended_by_signals():
        try:
            return str(typer.prompt(question, err=True, hide_input=hidden)).strip()
        except typer.Abort:
            raise asyncio.CancelledError from None


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals end a question: the event loop, which handles them otherwise, stands still meanwhile."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _cancel)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cancel(*_: object) -> NoReturn:
    raise asyncio.CancelledError
