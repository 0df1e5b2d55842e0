"""What every verb of the command line has in common: how it runs, prints and fails."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Annotated, Any, ParamSpec

import typer
from pydantic import BaseModel
from rich.console import Console

from commands.completion import running_references
from commands.errors import CommandError, ExitCode
from countersign.entry import run

P = ParamSpec("P")

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)

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
        help="A condition in Temporal's list filter language, for example 'AgreementStage = \"sending\"'.",
        metavar="CONDITION",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask whether to go on.")]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object instead of text.")]


def verb(work: Callable[P, Coroutine[Any, Any, int | None]]) -> Callable[P, None]:
    """Make a coroutine a verb: Ctrl-C lets it clean up, and a `CommandError` is one sentence and its code."""

    @wraps(work)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(run(_explaining(work(*args, **kwargs))))

    return command


async def _explaining(work: Coroutine[Any, Any, int | None]) -> int:
    try:
        return await work or ExitCode.DONE
    except CommandError as error:
        err.print(str(error), style="red", markup=False)
        return error.exit_code


def print_json(value: BaseModel) -> None:
    """Print a value as one JSON object, for programs."""
    typer.echo(value.model_dump_json(indent=2))
