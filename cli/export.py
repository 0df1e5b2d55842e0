"""`export`: the signed documents of many agreements, as files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from countersign.client.errors import ExitCode
from countersign.client.export import export_agreements
from countersign.connection import server_name

from .command import Where, err, out, verb


@verb
async def export(
    *,
    to: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER|FILE.zip", help="Where to: a folder, or a zip file.", show_default=False
        ),
    ],
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those of this account at a provider.")
    ] = None,
    batch: Annotated[str | None, typer.Option(metavar="BATCH", help="Only those of this batch.")] = None,
    where: Where = None,
) -> int:
    """Write the signed documents of completed agreements into a folder or a zip file.

    Audit trails and timelines come along. SHA256SUMS is their manifest: `sha256sum -c SHA256SUMS` checks
    them. In a folder, files that are there with the right hash are kept, so that the same command continues;
    a zip file begins again.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task("exported", total=None)
        exported = await export_agreements(
            to,
            account=account,
            batch=batch,
            where=where,
            on_progress=lambda done, total: shown.update(task, completed=done, total=total),
            on_problem=lambda problem: err.print(problem, style="red"),
        )
    if exported.agreements or exported.problems:
        there = f", {exported.kept} were there" if exported.kept else ""
        out.print(f"{to}: {exported.agreements} agreements, {exported.written} files written{there}")
    else:
        out.print(f"no completed agreements (asked {server_name()})")
    return ExitCode.NOT_COMPLETED if exported.problems else ExitCode.DONE
