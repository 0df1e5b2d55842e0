"""`list`: agreements and what they wait for."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from countersign.agreements.messages import Stage
from countersign.agreements.reference import workflow_id
from countersign.client.agreements import agreement_status
from countersign.client.connections import shared_client
from countersign.client.listing import (
    ListedAgreement,
    agreement_query,
    count_agreements,
    list_agreements,
)
from countersign.client.queues import why_halted
from countersign.connection import server_name

from .command import Json, Where, out, verb
from .options import at_least, listed, one_of
from .terminal import json_text, one_line
from .views import signers_progress

_MOST_ASKED: Final = 100
_PATIENCE: Final = 5.0


@verb
async def list_(
    *,
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those of this account at a provider.")
    ] = None,
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
        bool, typer.Option("--stuck", metavar="", help="Only those with a workflow task that keeps failing.")
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", metavar="", help="Only those that ended without an outcome.")
    ] = False,
    where: Where = None,
    ended: Annotated[bool, typer.Option("--all", metavar="", help="Those that have ended too.")] = False,
    limit: Annotated[
        int, typer.Option(parser=at_least(1), metavar="N", help="At most so many, the longest waiting.")
    ] = 1000,
    json: Json = False,
) -> None:
    """List agreements, the longest waiting first.

    Up to 100 agreements that await signatures show who has signed: their worker is asked.
    """
    query = agreement_query(
        account=account,
        stage=stage,
        needs_attention=needs_attention,
        stuck=stuck,
        failed=failed,
        where=where,
        ended=ended,
    )
    found = await list_agreements(
        account=account,
        stage=stage,
        needs_attention=needs_attention,
        stuck=stuck,
        failed=failed,
        where=where,
        ended=ended,
        limit=limit,
    )
    if json:
        typer.echo(json_text([item.model_dump(mode="json") for item in found], indent=None))
        return
    if found:
        progress, halts = await asyncio.gather(progress_of(found), halts_of(found))
        out.print(agreement_table(found, progress))
        for account_name, why in halts.items():
            out.print(f"{one_line(account_name)}: {one_line(why)}")
    else:
        out.print(f"no agreements (asked {server_name()})")
    if len(found) == limit and (more := await count_agreements(query) - limit) > 0:
        out.print(f"{more} more that were started later: see --limit")
    unfiltered = not (account or stage or needs_attention or stuck or failed or ended or where)
    if unfiltered and (lost := await count_agreements(agreement_query(failed=True))):
        out.print(f"{lost} failed without an outcome: see --failed")


async def progress_of(agreements: Sequence[ListedAgreement]) -> dict[str, str]:
    """Ask the workers who has signed: up to 100 agreements that await signatures, for up to five seconds.

    Returns:
        `1 of 2 signed, waits for B. E.` by reference, for those that answered.
    """
    waiting = [item.reference for item in agreements if item.stage == Stage.AWAITING_SIGNATURES]
    tasks = {
        reference: asyncio.create_task(agreement_status(reference)) for reference in waiting[:_MOST_ASKED]
    }
    if tasks:
        await asyncio.wait(tasks.values(), timeout=_PATIENCE)
    progress = {}
    for reference, task in tasks.items():
        if not task.done():
            task.cancel()
        elif not task.cancelled() and task.exception() is None:
            progress[reference] = signers_progress(task.result())
    return progress


async def halts_of(agreements: Iterable[ListedAgreement]) -> dict[str, str]:
    """Ask one agreement's worker per account why it takes no steps; accounts that work are left out."""
    running = [item for item in agreements if item.ended_at is None and not item.stuck]
    oldest = {item.account: item.reference for item in reversed(running) if item.account}
    client = await shared_client()
    reasons = await asyncio.gather(
        *(
            why_halted(client.get_workflow_handle(workflow_id(reference)), account)
            for account, reference in oldest.items()
        )
    )
    return {account: why for account, why in zip(oldest, reasons, strict=True) if why}


def agreement_table(agreements: Sequence[ListedAgreement], progress: Mapping[str, str]) -> Table:
    """Show agreements as a table, one a row.

    Args:
        agreements: What to show.
        progress: Who has signed, by reference.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("reference", "stage", "waits for", "signers", "started (UTC)", "attention"):
        table.add_column(heading)
    for agreement in agreements:
        stage = "failed" if agreement.failed else agreement.stage or "starting"
        table.add_row(
            Text(one_line(agreement.reference)),
            one_line(stage),
            "nobody" if agreement.failed else one_line(agreement.waiting_for or "-"),
            one_line(progress.get(agreement.reference, "")),
            f"{agreement.started_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            "stuck" if agreement.stuck else "needed" if agreement.needs_attention else "",
        )
    return table
