"""The command line: every verb, by name."""

from logging import getLogger
from typing import Annotated, Final

import typer

import countersign
from countersign.configuration import read
from countersign.entry import leave
from countersign.observability import logging
from countersign.observability.core_logs import CORE
from countersign.settings import CountersignSettings

from . import webhook
from .doctor import doctor
from .list import list_
from .orphans import orphans
from .remind import remind
from .replace_signer import replace_signer
from .resolve import resolve
from .schemas import schemas
from .start import start
from .status import status
from .void import void
from .watch import watch

PROGRAM: Final = "countersign"
"""The console script. Usage texts and shell completion have its name, also under `python starter.py`."""
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("start")(start)
app.command("status")(status)
app.command("watch")(watch)
app.command("list")(list_)
app.command("orphans")(orphans)
app.command("remind")(remind)
app.command("void")(void)
app.command("resolve")(resolve)
app.command("replace-signer")(replace_signer)
app.add_typer(webhook.app, name="webhook")
app.command("doctor")(doctor)
app.command("schemas")(schemas)
if __package__ == "cli":  # in a checkout: the wheel has neither sandbox nor worker
    from .demo import demo
    from .up import up

    app.command("demo")(demo)
    app.command("up")(up)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # Typer's interface
    if wanted:
        typer.echo(f"{PROGRAM} {countersign.__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Start, follow and end agreements: documents that people must sign."""
    del version


def main() -> None:
    """Run the command line and end the process."""
    configure_logs()
    try:
        app(prog_name=PROGRAM)
    except SystemExit as done:
        leave(done.code if isinstance(done.code, int) else 1)


def configure_logs() -> None:
    """Log warnings only, unless the settings ask for more: people read what the commands print."""
    lookup = read(CountersignSettings)
    reported = lookup.value(CountersignSettings.variable("log_level"))
    logging.configure(level=reported if reported in _LEVELS else "WARNING", service="starter")
    if reported not in _LEVELS:
        getLogger(CORE).setLevel("ERROR")  # of a lost connection the commands tell in their own words
