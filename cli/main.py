"""The command line: every verb, by name."""

from logging import getLogger
from typing import Final

import typer

from cli import webhook
from cli.demo import demo
from cli.doctor import doctor
from cli.list import list_
from cli.orphans import orphans
from cli.remind import remind
from cli.replace_signer import replace_signer
from cli.resolve import resolve
from cli.schemas import schemas
from cli.start import start
from cli.status import status
from cli.up import up
from cli.void import void
from cli.watch import watch
from countersign.configuration import read
from countersign.entry import leave
from countersign.observability import logging
from countersign.observability.core_logs import CORE
from countersign.settings import CountersignSettings

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

app = typer.Typer(
    name="starter.py",
    help="Start, follow and end agreements: documents that people must sign.",
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
app.command("demo")(demo)
app.command("up")(up)


def main() -> None:
    """Run the command line and end the process."""
    configure_logs()
    try:
        app()
    except SystemExit as done:
        leave(done.code if isinstance(done.code, int) else 1)


def configure_logs() -> None:
    """Log warnings only, unless the settings ask for more: people read what the commands print."""
    lookup = read(CountersignSettings)
    reported = lookup.value(CountersignSettings.variable("log_level"))
    logging.configure(level=reported if reported in _LEVELS else "WARNING", service="starter")
    if reported not in _LEVELS:
        getLogger(CORE).setLevel("ERROR")  # of a lost connection the commands tell in their own words
