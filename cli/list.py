"""`list`: which agreements there are, and what they wait for."""

from datetime import UTC
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from countersign.agreements.messages import Stage
from countersign.client.listing import ListedAgreement, list_agreements

from .command import Json, Where, out, verb
from .options import at_least, listed, one_of


@verb
async def list_(
    *,
    stage: Annotated[
        Stage | None,
        typer.Option(
            parser=one_of(Stage),
            autocompletion=lambda: listed(Stage).split(", "),
            metavar="STAGE",
            help=f"Only those at this stage: {listed(Stage)}.",
        ),
    ] = None,
    needs_attention: Annotated[
        bool, typer.Option("--needs-attention", metavar="", help="Only those that a person must decide on.")
    ] = False,
    stuck: Annotated[
        bool, typer.Option("--stuck", metavar="", help="Only those whose workflow task keeps failing.")
    ] = False,
    where: Where = None,
    ended: Annotated[bool, typer.Option("--all", metavar="", help="Those that have ended too.")] = False,
    limit: Annotated[int, typer.Option(parser=at_least(1), metavar="N", help="At most so many.")] = 1000,
    json: Json = False,
) -> None:
    """List agreements, the longest waiting first."""
    found = await list_agreements(
        stage=stage, needs_attention=needs_attention, stuck=stuck, where=where, ended=ended, limit=limit
    )
    if json:
        typer.echo(f"[{', '.join(item.model_dump_json() for item in found)}]")
    else:
        out.print(agreement_table(found) if found else "no agreements")


def agreement_table(agreements: list[ListedAgreement]) -> Table:
    """Show agreements as a table, one a row."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("reference", "stage", "waits for", "started (UTC)", "attention"):
        table.add_column(heading)
    for agreement in agreements:
        stage = "failed" if agreement.failed else (agreement.stage or "starting").replace("_", " ")
        table.add_row(
            Text(agreement.reference),
            stage,
            "nobody" if agreement.failed else agreement.waiting_for or "-",
            f"{agreement.started_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            "stuck" if agreement.stuck else "needed" if agreement.needs_attention else "",
        )
    return table
