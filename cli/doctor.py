"""`doctor`: check everything that can be checked before first use."""

from collections.abc import AsyncIterator, Sequence
from shutil import get_terminal_size
from typing import Annotated, Final

import typer
from pydantic import BaseModel, ConfigDict
from rich.table import Table
from rich.text import Text

from countersign.client.errors import ExitCode

from .checks.callbacks import check_callbacks
from .checks.configured import check_secrets, check_settings
from .checks.finding import Finding, State
from .checks.notices import check_notices
from .checks.provider import check_provider
from .checks.store import check_store, check_versions
from .checks.temporal import Consent, check_temporal
from .checks.tokens import check_tokens
from .command import Json, out, print_json, verb
from .prompts import can_ask, confirm

_SIGNS: Final = {
    State.OK: ("ok", "green"),
    State.WARNING: ("mind", "yellow"),
    State.FAILED: ("FAILED", "bold red"),
    State.SKIPPED: ("skipped", "dim"),
}


_SIGN_WIDTH: Final = max(len(sign) for sign, _ in _SIGNS.values())
_CHECK_WIDTH: Final = len("webhook subscription")
_GAP: Final = 2


class Report(BaseModel):
    """All findings, and whether none of them failed."""

    model_config = ConfigDict(frozen=True)

    healthy: bool
    findings: tuple[Finding, ...]


@verb
async def doctor(
    *,
    register: Annotated[
        bool,
        typer.Option("--register", metavar="", help="Register the search attributes that Temporal lacks."),
    ] = False,
    test_event: Annotated[
        bool,
        typer.Option(metavar="", help="Have the provider deliver a test event to every address it knows."),
    ] = True,
    json: Json = False,
) -> int:
    """Check settings, secrets, Temporal, the provider, its webhooks and the store.

    Changes nothing but a small file in the store and, with --register or your consent, Temporal's search
    attributes.
    """
    consent = _consent(register=register, may_ask=not json and can_ask())
    findings = [finding async for finding in examine(register=consent, test_event=test_event)]
    report = print_report(findings, json=json)
    return ExitCode.DONE if report.healthy else ExitCode.UNHEALTHY


def print_report(findings: Sequence[Finding], *, json: bool = False) -> Report:
    """Print a table of findings, or one JSON object."""
    healthy = all(entry.state is not State.FAILED for entry in findings)
    report = Report(healthy=healthy, findings=tuple(findings))
    if json:
        print_json(report)
    else:
        out.print(_table(report))
    return report


def _consent(*, register: bool, may_ask: bool) -> Consent:
    """Register missing search attributes if `--register` is given or the user confirms."""
    if register or not may_ask:
        return lambda _missing: register
    return lambda missing: confirm(
        f"Temporal lacks the search attributes {', '.join(missing)}. Register them?"
    )


async def examine(*, register: Consent, test_event: bool) -> AsyncIterator[Finding]:
    """Run every check, one after the other.

    Args:
        register: Decides whether to register missing search attributes.
        test_event: Have the provider deliver a test event.
    """
    yield check_versions()
    for finding in (*check_settings(), *check_secrets(), check_callbacks(), check_notices()):
        yield finding
    for part in (
        check_temporal(register=register),
        check_provider(send_test_event=test_event),
        check_store(),
        check_tokens(),
    ):
        async for finding in part:
            yield finding


def _table(report: Report) -> Table:
    """Lay out what was found, and beneath it what to do: side by side, both would be narrow."""
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", width=_SIGN_WIDTH)
    table.add_column("check", width=_CHECK_WIDTH)
    table.add_column("found, and what to do", max_width=_room(), overflow="fold")
    for finding in report.findings:
        sign, style = _SIGNS[finding.state]
        found = f"{finding.found}\n→ {finding.advice}" if finding.advice else finding.found
        table.add_row(Text(sign, style=style), Text(finding.check), Text(found))
    return table


def _room() -> int | None:
    """Return the last column's width: what a terminal has left, without a limit in a file or a pipe."""
    if not out.is_terminal:
        return None
    return max(get_terminal_size().columns - _SIGN_WIDTH - _CHECK_WIDTH - 2 * _GAP, _CHECK_WIDTH)
