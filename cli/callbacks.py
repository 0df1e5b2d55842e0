"""`callbacks list` and `callbacks replay`: the events that callers and subscribers are called back about."""

from collections.abc import Sequence
from datetime import UTC
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from countersign.client.callbacks import ListedCallback, list_callbacks, replay_callbacks
from countersign.connection import server_name

from .command import Json, OneReference, Reference, out, verb
from .options import at_least
from .terminal import json_text, one_line

app = typer.Typer(
    help="List callbacks, and deliver them again.",
    no_args_is_help=True,
)


@app.command("list")
@verb
async def list_(
    reference: OneReference = None,
    *,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", metavar="", help="Only those that are pending or failed.")
    ] = False,
    limit: Annotated[int, typer.Option(parser=at_least(1), metavar="N", help="At most so many.")] = 1000,
    json: Json = False,
) -> None:
    """List callbacks, of one agreement or of all, the newest first."""
    found = await list_callbacks(reference, undelivered=undelivered, limit=limit)
    if json:
        typer.echo(json_text([callback.model_dump(mode="json") for callback in found], indent=None))
    elif found:
        out.print(_table(found))
    else:
        out.print(f"no callbacks (asked {server_name()})")


@app.command()
@verb
async def replay(
    reference: Reference,
    *,
    event: Annotated[
        str | None,
        typer.Option(help="Only this event, even if it was delivered: sent, signed-2.", metavar="EVENT"),
    ] = None,
) -> None:
    """Deliver an agreement's events again, now: those that were not delivered, or the one that you name.

    A repeated event has the `webhook-id` that it had before. One that is pending begins anew.
    """
    replayed = await replay_callbacks(reference, event)
    for callback in replayed:
        out.print(f"{one_line(callback.reference)}: {callback.event} is delivered again")
    if not replayed:
        out.print(f"{reference}: every callback was delivered")


def _table(callbacks: Sequence[ListedCallback]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("reference", "event", "state", "since (UTC)", "failure"):
        table.add_column(heading)
    for callback in callbacks:
        since = callback.ended_at or callback.started_at
        table.add_row(
            Text(one_line(callback.reference)),
            callback.event,
            callback.state,
            f"{since.astimezone(UTC):%Y-%m-%d %H:%M}",
            one_line(callback.failure or ""),
        )
    return table
