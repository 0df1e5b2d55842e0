"""Command line of the Documenso sandbox: `python -m sandbox documenso`."""

import sqlite3
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from sandbox.core import deliveries, server
from sandbox.core.receivers import is_allowed
from sandbox.documenso.events import EVENTS
from sandbox.documenso.provider import Documenso
from sandbox.documenso.sandbox import (
    DEFAULT_API_KEY,
    DEFAULT_EXPIRED_KEY,
    DEFAULT_OTHER_KEY,
    Access,
    Sandbox,
    open_sandbox,
)

_HELP = (
    "A local Documenso for development and tests: API v2, signing pages, webhooks, faults.\n\n"
    "/_sandbox/inbox shows the e-mails with their signing links."
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def main(  # noqa: PLR0917 - typer passes options by name
    host: Annotated[
        str,
        typer.Option(envvar="SANDBOX_HOST", help="Address to listen on; all who reach it can use it."),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="SANDBOX_ALLOW_HOST",
            help="A name under which clients reach it, beside localhost and IP addresses; repeat for more.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(envvar="SANDBOX_PORT", min=0, max=65535, help="Port; 0 picks a free one.")
    ] = 8301,
    api_key: Annotated[
        str, typer.Option(envvar="SANDBOX_API_KEY", help="API token of team 1.")
    ] = DEFAULT_API_KEY,
    other_key: Annotated[
        str, typer.Option(envvar="SANDBOX_OTHER_KEY", help="API token of team 2.")
    ] = DEFAULT_OTHER_KEY,
    expired_key: Annotated[
        str, typer.Option(envvar="SANDBOX_EXPIRED_KEY", help="An API token that has expired.")
    ] = DEFAULT_EXPIRED_KEY,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="SANDBOX_DATA_DIR", help="Folder for all state; default: in memory."),
    ] = None,
    webhook_url: Annotated[
        str | None,
        typer.Option(envvar="SANDBOX_WEBHOOK_URL", help="A receiver of all events; default: none."),
    ] = None,
    webhook_secret: Annotated[
        str, typer.Option(envvar="SANDBOX_WEBHOOK_SECRET", help="The secret of that receiver.")
    ] = "",
) -> None:
    """Run the sandbox until Ctrl-C."""
    try:
        sandbox = open_sandbox(Access(api_key, other_key, expired_key), data_dir)
        if webhook_url is not None:
            _subscribe(sandbox, webhook_url, webhook_secret)
        server.run(
            Documenso(sandbox),
            host,
            port,
            on_started=lambda url: print(f"Sandbox: {url}", flush=True),  # noqa: T201 - its only output
            allowed_hosts=allow_host or (),
        )
    except server.CannotListenError as error:
        _exit(str(error))
    except (OSError, sqlite3.Error) as error:
        _exit(f"{data_dir} cannot be used: {getattr(error, 'strerror', None) or error}")


def _subscribe(sandbox: Sandbox, url: str, secret: str) -> None:
    """Subscribe the receiver of the command line, in place of an earlier one."""
    if not is_allowed(sandbox.behavior.http_receivers, url):
        raise typer.BadParameter("an https URL, or http on this machine", param_hint="--webhook-url")
    name = "command line"
    for row in sandbox.store.rows("SELECT * FROM webhooks WHERE name = ? AND NOT is_deleted", name):
        if row["urls"] == [url] and row["secret"] == secret:
            return
        deliveries.unsubscribe(sandbox, row["id"])
    deliveries.subscribe(sandbox, name=name, urls=[url], events=EVENTS, secret=secret)


def _exit(problem: str) -> NoReturn:
    print(f"sandbox: {problem}", file=sys.stderr)  # noqa: T201 - the command line's error output
    raise SystemExit(2) from None
