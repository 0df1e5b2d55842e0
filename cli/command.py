"""Shared parts of the verbs: parameters, output, and errors with exit codes."""

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
"""Columns of the consoles, so many that no cell is folded or cut in a narrow terminal or a pipe."""

_NOTICE_AFTER: Final = 2.0
"""Seconds before a notice."""

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
Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask for confirmation.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", metavar="", help="Show what would be done, and do nothing.")
]
Names = Annotated[
    bool,
    typer.Option("--names", metavar="", help="Print signers' names in full, also into a file or a pipe."),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object instead of text.")]


def verb(work: Callable[P, Coroutine[Any, Any, int | None]]) -> Callable[P, None]:
    """Convert a coroutine function to a command. An error prints its message and sets the exit code."""

    @wraps(work)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(run(_exit_code(work(*args, **kwargs))))

    command.__doc__ = _unwrapped(work.__doc__)
    return command


def _unwrapped(text: str | None) -> str:
    """Join the lines of paragraphs in a help text; keep indented lines."""
    return re.sub(r"(?<=\S)\n(?=\S)", " ", cleandoc(text or ""))


async def _exit_code(work: Coroutine[Any, Any, int | None]) -> int:
    try:
        return await work or ExitCode.DONE
    except CommandError as error:
        err.print(error_message(error), style="red")
        return error.exit_code
    except SettingsError as error:
        err.print(str(error), style="red")
        return ExitCode.BAD_INPUT


def error_message(error: CommandError) -> str:
    """Return the message of an error. If the agreement is unknown, add the server's address."""
    return f"{error} (asked {server_name()})" if isinstance(error, UnknownAgreementError) else str(error)


@contextmanager
def notice_if_slow(line: str) -> Iterator[None]:
    """Print a notice if the block takes longer than 2 s."""
    timer = asyncio.get_running_loop().call_later(_NOTICE_AFTER, print_notice, line)
    try:
        yield
    finally:
        timer.cancel()


def print_notice(line: str) -> None:
    """Print a notice on stderr."""
    err.print(line, style="yellow")


def print_json(value: BaseModel) -> None:
    """Print a value as one JSON object."""
    typer.echo(json_text(value))
