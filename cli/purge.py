"""`purge`: delete the archives and claims of agreements that ended long ago."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from rich.table import Table

from countersign.agreements.plural import number_of
from countersign.agreements.times import format_time
from countersign.client.errors import BadInputError, CommandError, ExitCode
from countersign.client.retention import EndedAgreement, Retention, ended_agreements, purge_agreement

from .command import DryRun, Json, Yes, err, error_message, out, verb
from .prompts import confirm
from .terminal import json_text

_DAYS: Final = re.compile(r"([1-9]\d{0,4})d")


@verb
async def purge(
    *,
    ended_before: Annotated[
        str,
        typer.Option(
            metavar="WHEN", help="A date, 2027-01-31, or an age in days, 3650d.", show_default=False
        ),
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Delete the archives and claims of agreements that ended before a date.

    Lists them and asks; deletes from the store alone. Agreements on hold stay, and so do those that run, and
    those whose end the store does not know. A deleted reference can be used again. With --json, lists only.
    """
    before = _moment(ended_before)
    found = await ended_agreements(before)
    if json:
        typer.echo(json_text([item.model_dump(mode="json") for item in found], indent=None))
        return ExitCode.DONE
    if found:
        out.print(_table(found))
    counts = Counter(item.retention for item in found)
    files = sum(item.files for item in found if item.retention is Retention.DELETE)
    kept = "".join(f", {counts[kind]} {kind}" for kind in Retention if kind is not Retention.DELETE)
    out.print(
        f"ended before {format_time(before)}: {counts[Retention.DELETE]} to delete ({files} files){kept}"
    )
    if dry_run or not counts[Retention.DELETE]:
        return ExitCode.DONE
    question = f"delete {number_of(counts[Retention.DELETE], 'agreement')} from the store, for good?"
    if not yes and not confirm(question):
        out.print("nothing was done (--yes says yes)")
        return ExitCode.NOT_CONFIRMED
    return await _purge([item.reference for item in found if item.retention is Retention.DELETE], before)


async def _purge(references: Sequence[str], before: datetime) -> ExitCode:
    code = ExitCode.DONE
    for reference in references:
        try:
            files = await purge_agreement(reference, before)
        except CommandError as error:
            err.print(error_message(error), style="red")
            code = code or error.exit_code
        else:
            out.print(f"{reference}: deleted, {files} files")
    return code


def _moment(text: str) -> datetime:
    now = datetime.now(UTC)
    if days := _DAYS.fullmatch(text):
        return now - timedelta(days=int(days[1]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None:
        raise BadInputError("--ended-before: write a date such as 2027-01-31, or an age such as 3650d")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > now:
        raise BadInputError("--ended-before: the date is in the future")
    return moment


def _table(found: Sequence[EndedAgreement]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("reference", "outcome", "ended", "files", "retention"):
        table.add_column(heading)
    for item in found:
        table.add_row(
            item.reference, item.outcome, format_time(item.ended_at), str(item.files), item.retention
        )
    return table
