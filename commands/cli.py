"""The command line: every verb, by name."""

import typer

from commands.demo import demo
from commands.resolve import resolve
from commands.start import start
from commands.status import status
from commands.up import up
from commands.void import void
from countersign.entry import leave

app = typer.Typer(
    name="starter.py",
    help="Start, follow and end agreements: documents that people must sign.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for each in (start, status, void, resolve, demo, up):
    app.command()(each)


def main() -> None:
    """Run the command line and end the process."""
    try:
        app()
    except SystemExit as done:
        leave(done.code if isinstance(done.code, int) else 1)
