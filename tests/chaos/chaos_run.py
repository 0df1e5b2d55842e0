"""Chaos, to the end: break everything for a while, let it be quiet, wait until it drains, judge the evidence.

    make chaos                  # the long run
    .venv/bin/python -m tests.chaos.chaos_run --seed 7 --agreements 40 --kills 15

The seed is printed; the same seed and sizes replay the schedule.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
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
from tests.chaos.chaos_collect import RUNNING, UNSENT, WAITING, collect, references, shown
from tests.chaos.chaos_evidence import Evidence
from tests.chaos.chaos_ground import NAIVE_WORKER, WORKER, Parts, ground
from tests.chaos.chaos_people import People
from tests.chaos.chaos_rules import violations
from tests.chaos.chaos_schedule import Blow, Schedule, coverage, draw, unmet
from tests.chaos.chaos_starve import CannotStarveError, starve

DRAIN_SECONDS: Final = 300.0
"""After so long of quiet whatever is not done counts as lost: 15 times the settle window."""

_GLANCE: Final = 1.0
_REPORT_SECONDS: Final = 10.0


@dataclass
class Report:
    """What came of a run."""

    schedule: Schedule
    evidence: Evidence
    violations: dict[str, list[str]]
    done: Counter[str]
    died: list[str]
    faults: dict[str, Any] = field(default_factory=dict)
    drained_in: float = 0

    @property
    def is_clean(self) -> bool:
        """Whether no rule was broken."""
        return not any(self.violations.values())


async def run(
    schedule: Schedule,
    folder: Path,
    *,
    worker: tuple[str, ...] = WORKER,
    queries: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> Report:
    """Play a schedule on a stack of its own and judge what came of it.

    Args:
        schedule: What happens.
        folder: Where everything is kept.
        worker: What the two workers are started with.
        queries: How many clients query without a pause until all has drained.
        say: Reports progress.
    """
    async with ground(folder, worker) as (stack, parts):
        client = await connect(environment=stack.env)
        people = People(client, stack.sandbox, schedule)
        async with asyncio.TaskGroup() as background:
            signers = background.create_task(people.sign_all())
            reporter = background.create_task(_report(people, parts, client, say))
            askers = background.create_task(people.ask_all(queries))
            script = await _break_everything(schedule, stack, client, parts, people)
            say("quiet")
            started = time.monotonic()
            waited = await _settle(stack, client)
            say(f"settled; {len(waited)} wait for a person, who decides now")
            for reference in waited:
                await people.decide(reference)
            await _until_over(client)
            drained_in = time.monotonic() - started
            askers.cancel()
            say(f"drained after {people.asked} queries; gathering the evidence")
            evidence = await collect(stack, client, schedule, waited)
            signers.cancel()
            reporter.cancel()
        found = violations(evidence)
        return Report(schedule, evidence, found, parts.done, parts.died, script, drained_in)


async def _break_everything(
    schedule: Schedule, stack: Stack, client: Client, parts: Parts, people: People
) -> dict[str, Any]:
    """Let everything go wrong, and leave it whole; returns the faults, and how often each happened."""
    await stack.sandbox.call("PUT", "/_sandbox/faults", schedule.faults)
    async with asyncio.TaskGroup() as group:
        group.create_task(people.order_all())
        for blow in schedule.blows:
            group.create_task(_strike(parts, blow))
    await parts.all_up()
    await _until_faults_had_their_chance(stack, client, len(schedule.orders) // 10)
    script: dict[str, Any] = await stack.sandbox.call("GET", "/_sandbox/faults")
    await stack.sandbox.call("DELETE", "/_sandbox/faults")
    return script


async def _until_faults_had_their_chance(stack: Stack, client: Client, few: int) -> None:
    """Keep the faults on, also on a slow machine, until most agreements are sent and every fault was met.

    A short run has too few calls to meet them all; it goes on when few agreements are left.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while len(await references(client, UNSENT)) > few:  # noqa: ASYNC110  # as below
                await asyncio.sleep(_GLANCE)
            while unmet(await stack.sandbox.call("GET", "/_sandbox/faults")):
                waiting = await references(client, WAITING)
                if len(await references(client, RUNNING) - waiting) <= few:
                    return
                await asyncio.sleep(_GLANCE)


async def _strike(parts: Parts, blow: Blow) -> None:
    await asyncio.sleep(blow.at)
    await parts.strike(blow)


async def _settle(stack: Stack, client: Client) -> dict[str, int]:
    """Wait until nothing runs but what waits for a person; returns those, and what the ledger shows."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await references(client, RUNNING) != await references(client, WAITING):  # noqa: ASYNC110  # so
                await asyncio.sleep(_GLANCE)
    return await shown(stack, await references(client, WAITING))


async def _until_over(client: Client) -> None:
    """Wait until nothing runs any more, and the last webhooks are out."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await references(client, RUNNING):  # noqa: ASYNC110  # it is the server's state
                await asyncio.sleep(_GLANCE)
    await asyncio.sleep(5 * _GLANCE)


async def _report(people: People, parts: Parts, client: Client, say: Callable[[str], None]) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(_REPORT_SECONDS)
        with suppress(RPCError):
            running, waiting = await references(client, RUNNING), await references(client, WAITING)
            say(
                f"{time.monotonic() - started:5.0f} s  {people.started} started, {len(running)} run, "
                f"{len(waiting)} need a person; {parts.done['kill']} kills, {parts.done['freeze']} freezes"
            )


def summary(report: Report) -> Table:
    """Draw what came of a run."""
    cases = report.evidence.cases
    table = Table(title=f"chaos, seed {report.schedule.seed}", show_header=False)
    table.add_row("agreements", str(len(cases)))
    for ended, count in Counter(case.ended or "still running" for case in cases).most_common():
        table.add_row(f"  {ended}", str(count))
    table.add_row("waited for a person", str(sum(case.waited for case in cases)))
    table.add_row("sends of unknown outcome", str(sum(case.unknown_sends for case in cases)))
    table.add_row("kills, freezes", f"{report.done['kill']}, {report.done['freeze']}")
    table.add_row("ended by themselves", ", ".join(report.died) or "none")
    for name, (met, of, times) in sorted(coverage(report.faults).items()):
        table.add_row(f"  {name}", f"{met} of {of} faults met, {times} times")
    table.add_row("drained after", f"{report.drained_in:.0f} s of quiet")
    for rule, found in report.violations.items():
        table.add_row(f"rule {rule}", f"{len(found)} VIOLATIONS" if found else "holds")
    return table


async def _main(options: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=True)
    schedule = draw(
        options.seed,
        agreements=options.agreements,
        kills=options.kills,
        freezes=options.freezes,
        seconds=options.seconds,
        stutters=options.stutters,
    )
    if options.cores is not None:
        starve(options.cores)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    console.print(f"chaos: seed {schedule.seed}, {options.seconds:g} s of it; everything is kept in {folder}")
    worker = NAIVE_WORKER if options.naive else WORKER
    report = await run(schedule, folder, worker=worker, queries=options.queries, say=console.print)
    console.print(summary(report))
    for fault in unmet(report.faults):
        console.print(f"never met: {fault}", markup=False)
    for rule, found in report.violations.items():
        for sentence in found:
            console.print(f"{rule}: {sentence}", markup=False)
    return 0 if report.is_clean else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Make chaos; returns 0 if no rule was broken, 1 if one was."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.chaos_run", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--agreements", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--freezes", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=600, help="how long things go wrong")
    parser.add_argument("--stutters", type=int, default=60, help="how often Temporal is frozen for a moment")
    parser.add_argument("--queries", type=int, default=6, help="how many clients query without a pause")
    parser.add_argument("--cores", type=float, help="how many processor cores all of it gets; 0.5 starves it")
    parser.add_argument("--naive", action="store_true", help="with a worker that repeats sends blindly")
    parser.add_argument("--folder", type=Path, help="where everything is kept")
    getLogger(CORE).setLevel("CRITICAL")  # that connections break is no news
    try:
        return entry.run(_main(parser.parse_args(arguments)))
    except CannotStarveError as error:
        parser.error(str(error))


if __name__ == "__main__":
    entry.leave(main(sys.argv[1:]))
