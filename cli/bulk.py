"""`bulk`: many agreements from a table: check it, start it, follow it, pause or cancel it, report."""

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import BaseModel, ConfigDict
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from countersign.agreements.messages import Stage
from countersign.agreements.plural import number_of
from countersign.client import batches
from countersign.client.batches import BatchView, CheckedTable
from countersign.client.errors import BadInputError, ExitCode
from countersign.client.files import why_unreadable
from countersign.client.settings import load_settings
from countersign.client.tables import HEADER, Mistake, delimiter_of
from countersign.settings import ProviderSettings

from .command import Json, Yes, err, out, print_json, verb
from .prompts import can_ask, confirm

app = typer.Typer(
    help="Start many agreements from a table, and follow them. A table is CSV, XLSX or JSON Lines.",
    no_args_is_help=True,
)
_TABLE: Final = typer.Argument(
    help="A file that ends in .csv, .xlsx or .jsonl.", metavar="TABLE", show_default=False
)
_Batch = Annotated[str, typer.Argument(help="The batch's name.", metavar="BATCH", show_default=False)]
_SHOWN: Final = 500
"""Mistakes that a table of them shows; --json has all."""


class TableReport(BaseModel):
    """What `bulk check --json` prints.

    Args:
        rows: How many rows can be started.
        calls: Provider calls that they need until they are archived.
        mistakes: All mistakes, by line.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    calls: int
    mistakes: tuple[Mistake, ...]


@app.command()
@verb
async def check(
    table: Annotated[Path | None, _TABLE] = None,
    *,
    print_header: Annotated[
        bool, typer.Option("--print-header", metavar="", help="Print the header of an empty table.")
    ] = False,
    ask_provider: Annotated[
        bool, typer.Option(metavar="", help="Ask the provider about each template, once.")
    ] = True,
    json: Json = False,
) -> int:
    """Check every row of a table, and list every mistake with its line and column. Starts nothing."""
    if print_header:
        csv.writer(sys.stdout, lineterminator="\n").writerow(HEADER)
        return ExitCode.DONE
    if table is None:
        raise BadInputError("name the table, or use --print-header")
    checked = await _checked(table, ask_provider=ask_provider)
    if json:
        print_json(TableReport(rows=checked.rows, calls=checked.calls, mistakes=tuple(checked.mistakes)))
    else:
        _show(table, checked)
    return ExitCode.BAD_INPUT if checked.mistakes else ExitCode.DONE


@app.command()
@verb
async def start(
    table: Annotated[Path, _TABLE],
    *,
    batch: Annotated[
        str,
        typer.Option(
            help="Its name: lower-case letters, digits, dashes.", metavar="BATCH", show_default=False
        ),
    ],
    yes: Yes = False,
    watch: Annotated[
        bool, typer.Option(metavar="", help="Follow it; Ctrl-C ends that, and not the batch.")
    ] = True,
) -> int:
    """Check a table, store it, and start an agreement for each row.

    The same table again joins the batch and starts nothing twice. If a row has a mistake, nothing is started.
    """
    checked = await _checked(table, ask_provider=True)
    if checked.mistakes:
        _show(table, checked)
        return ExitCode.BAD_INPUT
    if not yes and not confirm(f"start {number_of(checked.rows, 'agreement')}? People get e-mails."):
        out.print("nothing was started (--yes says yes)")
        return ExitCode.NOT_CONFIRMED
    with _counting("stored", checked.rows) as count:
        started = await batches.start_batch(table, batch, on_row=count)
    out.print(f"{batch}: {'started' if started else 'was started before, with the same table'}")
    return await _watch(batch) if watch else ExitCode.DONE


@app.command("watch")
@verb
async def follow(batch: _Batch) -> int:
    """Follow a batch until each of its rows is sent. Ctrl-C ends the command, and not the batch."""
    return await _watch(batch)


@app.command()
@verb
async def status(batch: _Batch, *, json: Json = False) -> None:
    """Show how far a batch and its agreements have come."""
    view = await batches.batch_status(batch)
    if json:
        print_json(view)
    else:
        out.print(_line(view))


@app.command()
@verb
async def pause(batch: _Batch) -> None:
    """Start no further rows until `bulk resume`. Agreements that were started go on."""
    await batches.pause_batch(batch)
    out.print(f"{batch}: paused after the rows that are being started")


@app.command()
@verb
async def resume(batch: _Batch) -> None:
    """Go on after `bulk pause`."""
    await batches.resume_batch(batch)
    out.print(f"{batch}: goes on")


@app.command()
@verb
async def cancel(
    batch: _Batch,
    *,
    void: Annotated[
        bool,
        typer.Option(
            "--void/--leave", help="Void the agreements that were started, or leave them.", show_default=False
        ),
    ],
    yes: Yes = False,
) -> int:
    """Start no further rows; void the agreements that were started, or leave them."""
    what = "Void all its agreements that have not ended" if void else "Start no further rows"
    if not yes and not (can_ask() and confirm(f"{what}?")):
        err.print("nothing was done: confirm, or use --yes")
        return ExitCode.NOT_CONFIRMED
    await batches.cancel_batch(batch, void=void)
    out.print(f"{batch}: cancelled")
    return ExitCode.DONE


@app.command()
@verb
async def report(batch: _Batch) -> None:
    """Print a CSV with a line for each row that was started or refused.

    A line has the row's reference, its stage, how it ended, or why it was refused; the newest agreement is
    first. Rows whose agreement existed before are not in it: it belongs to the batch that started it.
    """
    await batches.batch_input(batch)  # no header for a batch that does not exist
    write = csv.writer(sys.stdout, lineterminator="\n").writerow
    write(batches.REPORT_HEADER)
    async for row in batches.batch_report(batch):
        write(row.cells())


@app.command()
@verb
async def failed(batch: _Batch, table: Annotated[Path, _TABLE]) -> None:
    """Print the rows of a CSV table that could not be started, ready to be corrected and started again."""
    refused = await batches.failed_references(batch)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            lines = file.readlines()
    except OSError as error:
        raise BadInputError(f"{table}: {why_unreadable(error)}") from None
    delimiter = delimiter_of(lines[0] if lines else "")
    rows = csv.reader(lines, delimiter=delimiter)
    header = next(rows, [])
    if "reference" not in header:
        raise BadInputError(f"{table}: this needs the CSV table of the batch")
    place = header.index("reference")
    write = csv.writer(sys.stdout, delimiter=delimiter, lineterminator="\n").writerow
    write(header)
    for row in rows:
        if len(row) > place and row[place].strip().lower() in refused:
            write(row)


async def _checked(table: Path, *, ask_provider: bool) -> CheckedTable:
    with _counting("checked", None) as count:
        return await batches.check_batch(table, ask_provider=ask_provider, on_row=count)


def _show(table: Path, checked: CheckedTable) -> None:
    if checked.mistakes:
        shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for name in ("line", "column", "what is wrong"):
            shown.add_column(name)
        for mistake in checked.mistakes[:_SHOWN]:
            shown.add_row(str(mistake.line), mistake.column, mistake.reason)
        out.print(shown)
        more = len(checked.mistakes) - _SHOWN
        if more > 0:
            out.print(f"and {more} more; --json lists all")
    rows, mistakes = number_of(checked.rows, "row"), number_of(len(checked.mistakes), "mistake")
    out.print(f"{table}: {rows} can be started, {mistakes}")
    if checked.mistakes:
        return
    rate = load_settings(ProviderSettings).calls_per_second
    pace = f", {checked.calls / rate / 60:.0f} minutes at {rate:g} per second" if rate else ""
    out.print(f"about {checked.calls} calls to the provider until all are archived{pace}")


@contextmanager
def _counting(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(f"{what} {{task.completed}}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.update(task, completed=done)


async def _watch(batch: str) -> int:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    view: BatchView | None = None
    with Progress(*columns, console=err, disable=not err.is_terminal) as shown:
        task = shown.add_task(batch, total=None)
        async for view in batches.follow_batch(batch):
            shown.update(task, completed=_sent(view), total=view.rows, description=_line(view))
            if not err.is_terminal:
                out.print(_line(view))
    if view is None:
        return ExitCode.NOT_COMPLETED
    if err.is_terminal:
        out.print(_line(view))
    refused = view.progress.refused
    if refused:
        out.print(f"{number_of(refused, 'row')} refused: `countersign bulk report {batch}` has the reasons")
    return ExitCode.NOT_COMPLETED if refused or view.stages.get(batches.FAILED) else ExitCode.DONE


def _sent(view: BatchView) -> int:
    """Rows that need nothing more to be sent: sent, refused or ended."""
    unsent = sum(view.stages.get(stage, 0) for stage in (Stage.GENERATING, Stage.SENDING))
    return max(view.progress.done - unsent, 0)


def _line(view: BatchView) -> str:
    progress = view.progress
    parts = [f"{progress.started} of {view.rows} started"]
    parts += [f"{progress.existed} existed before"] if progress.existed else []
    parts += [f"{count} {stage.replace('_', ' ')}" for stage, count in view.stages.items()]
    parts += [f"{progress.refused} refused"] if progress.refused else []
    state = "cancelled" if progress.cancelled else "paused" if progress.paused else ""
    return ", ".join([*parts, *([state] if state else [])])
