"""`recover`: let agreements go on that the store knows and Temporal has lost."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from countersign.agreements.plural import number_of
from countersign.agreements.times import format_time
from countersign.client.errors import BadInputError, CommandError, ExitCode
from countersign.client.provider import find_account
from countersign.client.recovery import LostAgreement, lost_agreements, recover_agreement
from countersign.connection import server_name

from .command import DryRun, Json, Yes, err, error_message, out, print_notice, verb
from .prompts import confirm
from .terminal import json_text, one_line


@verb
async def recover(
    *,
    from_store: Annotated[
        bool, typer.Option("--from-store", metavar="", help="Find them by their claims in the store.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Let agreements go on that the store knows and Temporal has lost.

    Lists the claimed references that have neither an end in the store nor a workflow in Temporal, and asks.
    Each agreement then starts from its stored input, finds its document at the provider and goes on. It sends
    nothing by itself: without a document it waits for `resolve`. With --json, lists only.
    """
    if not from_store:
        raise BadInputError("say what to recover from: --from-store")
    lost = await lost_agreements(on_read=print_notice if json else out.print)
    if json:
        typer.echo(json_text([item.model_dump(mode="json") for item in lost], indent=None))
        return ExitCode.DONE
    out.print(_table(lost) if lost else f"Temporal has lost no agreement (asked {server_name()})")
    able = [item for item in lost if item.obstacle is None]
    if dry_run or not able:
        return ExitCode.DONE
    if not yes and not confirm(f"recover {number_of(len(able), 'agreement')} at {server_name()}?"):
        out.print("nothing was done (--yes says yes)")
        return ExitCode.NOT_CONFIRMED
    return await _recover(able)


async def _recover(lost: Sequence[LostAgreement]) -> ExitCode:
    code = ExitCode.DONE
    for item in lost:
        try:
            find_account(item.account)  # without it, no worker would look for the document
            await recover_agreement(item.reference)
        except CommandError as error:
            err.print(f"{item.reference} is not recovered: {error_message(error)}", style="red")
            code = code or error.exit_code
        else:
            out.print(f"{item.reference}: looks for its document")
    return code


def _table(lost: Sequence[LostAgreement]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("reference", "account", "claimed", "recovery"):
        table.add_column(heading)
    for item in lost:
        state = item.obstacle or "possible"
        table.add_row(item.reference, one_line(item.account or "-"), format_time(item.claimed_at), state)
    return table
