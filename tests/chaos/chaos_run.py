"""Run chaos: break everything for a while, stop, wait until all agreements drain, and check the evidence.

    make chaos                                  # the long run, over all accounts
    make chaos ARGS="--accounts turbodocx"      # over one account
    .venv/bin/python -m tests.chaos.chaos_run --seed 7 --agreements 40 --kills 15

It prints the seed; the same seed and sizes repeat the schedule.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from logging import getLogger
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from temporalio.client import Client
from temporalio.service import RPCError

from countersign import entry
from countersign.connection import connect
from countersign.observability.core_logs import CORE
from devstack.stack import Stack
from tests.chaos.chaos_accounts import CHAOS_ACCOUNTS
from tests.chaos.chaos_collect import RUNNING, UNSENT, WAITING, collect, references, shown
from tests.chaos.chaos_evidence import Case, Evidence
from tests.chaos.chaos_people import People, store_contract
from tests.chaos.chaos_rules import violations
from tests.chaos.chaos_schedule import Disruption, Schedule, coverage, draw, unmet
from tests.chaos.chaos_stack import NAIVE_WORKER, WORKER, Parts, open_stack
from tests.chaos.chaos_starve import CannotStarveError, starve

DRAIN_SECONDS: Final = 300.0
"""Seconds after which open work counts as lost: 15 times the settle window."""

_GLANCE: Final = 1.0
_REPORT_SECONDS: Final = 10.0


@dataclass
class Report:
    """The result of a run."""

    schedule: Schedule
    evidence: Evidence
    violations: dict[str, list[str]]
    done: Counter[str]
    died: list[str]
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    drained_in: float = 0

    @property
    def is_clean(self) -> bool:
        """Whether there is no violation."""
        return not any(self.violations.values())


async def run(
    schedule: Schedule,
    folder: Path,
    *,
    worker: tuple[str, ...] = WORKER,
    queries: int = 0,
    report_line: Callable[[str], None] = lambda _line: None,
) -> Report:
    """Run a schedule on a new stack with its accounts and check its evidence.

    Args:
        schedule: The schedule.
        folder: The folder of the stack.
        worker: The command line of the two workers.
        queries: Number of clients that query without pauses until all has drained.
        report_line: Receives lines about the progress.
    """
    async with open_stack(folder, worker, schedule.accounts) as (stack, parts):
        client = await connect(environment=stack.env)
        people = People(client, stack, schedule, await store_contract(stack.store))
        async with asyncio.TaskGroup() as background:
            signers = background.create_task(people.sign_all())
            reporter = background.create_task(_report(people, parts, client, report_line))
            askers = background.create_task(people.ask_all(queries))
            script = await _break_everything(schedule, stack, client, parts, people)
            report_line("quiet")
            started = time.monotonic()
            waited = await _settle(stack, client)
            report_line(f"settled; {len(waited)} wait for a person, who decides now")
            for reference in waited:
                await people.decide(reference)
            await _until_over(client)
            drained_in = time.monotonic() - started
            askers.cancel()
            report_line(f"drained after {people.asked} queries; gathering the evidence")
            evidence = await collect(stack, client, schedule, waited)
            signers.cancel()
            reporter.cancel()
        found = violations(evidence)
        return Report(schedule, evidence, found, parts.done, parts.died, script, drained_in)


async def _break_everything(
    schedule: Schedule, stack: Stack, client: Client, parts: Parts, people: People
) -> dict[str, dict[str, Any]]:
    """Run the disruptions and faults, then stop them; returns the faults with their hits, by account."""
    for name, sandbox in stack.sandboxes.items():
        await sandbox.call("PUT", "/_sandbox/faults", schedule.faults[name])
    async with asyncio.TaskGroup() as group:
        group.create_task(people.order_all())
        for disruption in schedule.disruptions:
            group.create_task(_disrupt(parts, disruption))
    await parts.all_up()
    await _until_faults_had_their_chance(stack, client, len(schedule.orders) // 10)
    scripts = await _scripts(stack)
    for sandbox in stack.sandboxes.values():
        await sandbox.call("DELETE", "/_sandbox/faults")
    return scripts


async def _scripts(stack: Stack) -> dict[str, dict[str, Any]]:
    return {name: await sandbox.call("GET", "/_sandbox/faults") for name, sandbox in stack.sandboxes.items()}


async def _until_faults_had_their_chance(stack: Stack, client: Client, few: int) -> None:
    """Wait until most agreements are sent and all faults have hit, or few agreements are left.

    A slow machine needs more time, and a short run makes too few calls for all faults.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while len(await references(client, UNSENT)) > few:  # noqa: ASYNC110  # the server's state
                await asyncio.sleep(_GLANCE)
            while any(map(unmet, (await _scripts(stack)).values())):
                waiting = await references(client, WAITING)
                if len(await references(client, RUNNING) - waiting) <= few:
                    return
                await asyncio.sleep(_GLANCE)


async def _disrupt(parts: Parts, disruption: Disruption) -> None:
    await asyncio.sleep(disruption.at)
    await parts.disrupt(disruption)


async def _settle(stack: Stack, client: Client) -> dict[str, int]:
    """Wait until all running agreements need a person; returns their documents in the ledger."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await references(client, RUNNING) != await references(client, WAITING):  # noqa: ASYNC110  # the server's state
                await asyncio.sleep(_GLANCE)
    return await shown(stack, await references(client, WAITING))


async def _until_over(client: Client) -> None:
    """Wait until all agreements have ended and the last webhooks are delivered."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await references(client, RUNNING):  # noqa: ASYNC110  # the server's state
                await asyncio.sleep(_GLANCE)
    await asyncio.sleep(5 * _GLANCE)


async def _report(people: People, parts: Parts, client: Client, report_line: Callable[[str], None]) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(_REPORT_SECONDS)
        with suppress(RPCError):
            running, waiting = await references(client, RUNNING), await references(client, WAITING)
            report_line(
                f"{time.monotonic() - started:5.0f} s  {people.started} started, {len(running)} run, "
                f"{len(waiting)} need a person; {parts.done['kill']} kills, {parts.done['freeze']} freezes"
            )


def summary(report: Report) -> Table:
    """Return a table of the results."""
    cases = report.evidence.cases
    table = Table(title=f"chaos, seed {report.schedule.seed}", show_header=False)
    table.add_row("agreements", str(len(cases)))
    for name in report.schedule.accounts:
        table.add_section()
        for row in _account_rows(name, [case for case in cases if case.account == name]):
            table.add_row(*row)
        for call, (met, of, times) in sorted(coverage(report.faults[name]).items()):
            table.add_row(f"  {call}", f"{met} of {of} faults met, {times} times")
    table.add_section()
    table.add_row("kills, freezes", f"{report.done['kill']}, {report.done['freeze']}")
    table.add_row("parts that ended by themselves", ", ".join(report.died) or "none")
    table.add_row("drained after", f"{report.drained_in:.0f} s of quiet")
    for rule, found in report.violations.items():
        table.add_row(f"rule {rule}", f"{len(found)} VIOLATIONS" if found else "holds")
    return table


def _account_rows(account: str, cases: list[Case]) -> Iterator[tuple[str, str]]:
    documents = [document for case in cases for document in case.documents]
    yield f"{account}: agreements", str(len(cases))
    for ended, count in Counter(case.ended or "still running" for case in cases).most_common():
        yield f"  {ended}", str(count)
    yield "  sends of unknown outcome", str(sum(case.unknown_sends for case in cases))
    yield "  agreements with such a send", str(sum(bool(case.unknown_sends) for case in cases))
    yield "  asked a person", str(sum(case.asked for case in cases))
    yield "  waited for a person at the end", str(sum(case.waited for case in cases))
    yield "  drafts left", str(sum(document.status == "draft" for document in documents))
    yield "  forged documents", str(sum(len(case.forged) for case in cases))


async def _main(options: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=True)
    schedule = draw(
        options.seed,
        agreements=options.agreements,
        kills=options.kills,
        freezes=options.freezes,
        seconds=options.seconds,
        stutters=options.stutters,
        accounts=options.accounts,
    )
    if options.cores is not None:
        starve(options.cores)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    console.print(f"chaos: seed {schedule.seed}, {options.seconds:g} s; folder {folder}")
    worker = NAIVE_WORKER if options.naive else WORKER
    report = await run(schedule, folder, worker=worker, queries=options.queries, report_line=console.print)
    console.print(summary(report))
    for name, script in report.faults.items():
        for fault in unmet(script):
            console.print(f"never met by {name}: {fault}", markup=False)
    for rule, found in report.violations.items():
        for sentence in found:
            console.print(f"{rule}: {sentence}", markup=False)
    return 0 if report.is_clean else 1


def _accounts(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in CHAOS_ACCOUNTS]:
        raise argparse.ArgumentTypeError(f"no account {unknown[0]}: use {', '.join(CHAOS_ACCOUNTS)}")
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run chaos; returns 0 without violations, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.chaos_run", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--agreements", type=int, default=500)
    parser.add_argument(
        "--accounts",
        type=_accounts,
        default=tuple(CHAOS_ACCOUNTS),
        help=f"with commas; by default {','.join(CHAOS_ACCOUNTS)}",
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--freezes", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=600, help="duration of the disruptions")
    parser.add_argument("--stutters", type=int, default=60, help="number of short freezes of Temporal")
    parser.add_argument("--queries", type=int, default=6, help="number of clients that query without pauses")
    parser.add_argument(
        "--cores", type=float, help="processor cores for all processes together, for example 0.5"
    )
    parser.add_argument("--naive", action="store_true", help="use a worker that repeats sends blindly")
    parser.add_argument("--folder", type=Path, help="the folder of the stack")
    getLogger(CORE).setLevel("CRITICAL")  # broken connections are expected
    try:
        return entry.run(_main(parser.parse_args(arguments)))
    except CannotStarveError as error:
        parser.error(str(error))


if __name__ == "__main__":
    entry.leave(main(sys.argv[1:]))
