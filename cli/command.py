"""What every verb of the command line has in common: how it runs, prints and fails."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import cleandoc
from typing import Annotated, Any, Final, ParamSpec

import typer
from pydantic import BaseModel

from countersign.client.errors import CommandError, ExitCode, UnknownAgreementError
from countersign.configuration import SettingsError
from countersign.connection import server_name
from countersign.entry import run

from .completion import running_references
from .terminal import SafeConsole, json_text

P = ParamSpec("P")

_UNFOLDED: Final = 10_000
"""Columns: tables are laid out as if there were no end of them, so that no cell is folded or cut, be it at a
narrow terminal, which wraps by itself, or in a pipe."""

_SLOW: Final = 2.0
"""Seconds without a word that nobody minds."""

out = SafeConsole(highlight=False, markup=False, emoji=False, soft_wrap=True, width=_UNFOLDED)
err = SafeConsole(highlight=False, markup=False, emoji=False, soft_wrap=True, width=_UNFOLDED, stderr=True)

Reference = Annotated[
    str,
    typer.Argument(
        help="The agreement's reference.",
        metavar="REFERENCE",
        show_default=False,
        autocompletion=running_references,
    ),
]
OneReference = Annotated[
    str | None,
    typer.Argument(
        help="The agreement's reference.",
        metavar="REFERENCE",
        show_default=False,
        autocompletion=running_references,
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        help="A condition in Temporal's list filter language, such as 'AgreementStage=\"sending\"'.",
        metavar="CONDITION",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask whether to go on.")]
Names = Annotated[
    bool,
    typer.Option("--names", metavar="", help="Print signers' names in full, also into a file or a pipe."),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object instead of text.")]


def verb(work: Callable[P, Coroutine[Any, Any, int | None]]) -> Callable[P, None]:
    """Make a coroutine a verb: Ctrl-C lets it clean up, and a `CommandError` is one sentence and its code."""

    @wraps(work)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(run(_explaining(work(*args, **kwargs))))

    command.__doc__ = _unwrapped(work.__doc__)
    return command


def _unwrapped(text: str | None) -> str:
    """Join the lines of a help text's paragraphs, which a terminal wraps itself; keep indented ones."""
    return re.sub(r"(?<=\S)\n(?=\S)", " ", cleandoc(text or ""))


async def _explaining(work: Coroutine[Any, Any, int | None]) -> int:
    try:
        return await work or ExitCode.DONE
    except CommandError as error:
        err.print(sentence(error), style="red")
        return error.exit_code
    except SettingsError as error:
        err.print(str(error), style="red")
        return ExitCode.BAD_INPUT


def sentence(error: CommandError) -> str:
    """Return an error's message; what is not found names the server that was asked."""
    return f"{error} (asked {server_name()})" if isinstance(error, UnknownAgreementError) else str(error)


@contextmanager
def notice_if_slow(line: str) -> Iterator[None]:
    """Say what one waits for, if it takes long."""
    timer = asyncio.get_running_loop().call_later(_SLOW, say, line)
    try:
        yield
    finally:
        timer.cancel()


def say(line: str) -> None:
    """Tell whoever waits how it stands, beside the output proper."""
    err.print(line, style="yellow")


def print_json(value: BaseModel) -> None:
    """Print a value as one JSON object, for programs."""
    typer.echo(json_text(value))
