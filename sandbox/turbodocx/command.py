"""Command line of the TurboDocx sandbox: `python -m sandbox`."""

import sqlite3
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from sandbox.core import server
from sandbox.turbodocx.behavior import Behavior
from sandbox.turbodocx.provider import TurboDocx
from sandbox.turbodocx.sandbox import (
    DEFAULT_API_KEY,
    DEFAULT_MEMBER_KEY,
    DEFAULT_ORG_ID,
    Access,
    open_sandbox,
)
from sandbox.turbodocx.seeds import DESCRIPTIONS

_HELP = (
    "A local TurboDocx for development and tests: API, signing pages, webhooks, faults.\n\n"
    "It starts with these templates:\n\n"
    + "\n\n".join(f"{template_id}  {text}" for template_id, text in DESCRIPTIONS.items())
    + "\n\n/_sandbox/inbox shows the e-mails with their signing links."
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
    ] = 8300,
    api_key: Annotated[
        str, typer.Option(envvar="SANDBOX_API_KEY", help="API key with the administrator role.")
    ] = DEFAULT_API_KEY,
    member_key: Annotated[
        str, typer.Option(envvar="SANDBOX_MEMBER_KEY", help="API key without that role: no webhooks.")
    ] = DEFAULT_MEMBER_KEY,
    org_id: Annotated[
        str, typer.Option(envvar="SANDBOX_ORG_ID", help="The organization's id.")
    ] = DEFAULT_ORG_ID,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="SANDBOX_DATA_DIR", help="Folder for all state; default: in memory."),
    ] = None,
    retry_delays: Annotated[
        str | None,
        typer.Option(
            envvar="SANDBOX_RETRY_DELAYS",
            help="Seconds before a webhook's second and third attempt, for example 0.2,0.5; default: 5,25.",
        ),
    ] = None,
) -> None:
    """Run the sandbox until Ctrl-C."""
    try:
        sandbox = open_sandbox(Access(api_key, member_key, org_id), data_dir, _behavior(retry_delays))
        server.run(
            TurboDocx(sandbox),
            host,
            port,
            on_started=lambda url: print(f"Sandbox: {url}", flush=True),  # noqa: T201 - its only output
            allowed_hosts=allow_host or (),
        )
    except server.CannotListenError as error:
        _exit(str(error))
    except (OSError, sqlite3.Error) as error:
        _exit(f"{data_dir} cannot be used: {getattr(error, 'strerror', None) or error}")


def _exit(problem: str) -> NoReturn:
    print(f"sandbox: {problem}", file=sys.stderr)  # noqa: T201 - the command line's error output
    raise SystemExit(2) from None


def _behavior(retry_delays: str | None) -> Behavior | None:
    if retry_delays is None:
        return None
    try:
        first, second = (float(part) for part in retry_delays.split(","))
        return Behavior(retry_delays=(first, second))
    except ValueError:
        raise typer.BadParameter(
            "two numbers of seconds, for example 0.2,0.5", param_hint="--retry-delays"
        ) from None
