"""Measure throughput with one worker and with several, each with its own budget of processor time.

    python -m benchmarks.scaling [--rounds 2] [--seconds 12] [--at-once 32] [--workers 2] [--cores 0.2]

Every round is a new stack with one worker, to which the others are added. A constant number of agreements
runs at once: each is signed when it is sent, and another starts when it is archived. What ends during
`--seconds` counts, after a while for the queues to fill; so a round takes as long on a slow machine.

Temporal, sandbox, receiver and workers share the machine's cores. So that workers differ while Temporal has
room, a worker process gets `--cores` of a core (a control group: this needs root), and the others are not
limited. Without control groups, a worker is pinned to a core of its own with `sched_setaffinity`, and the
others to the cores that are left; that needs more cores than workers. The table says how much of its budget a
worker used, which must be near 1 or the worker was not the limit, and how much processor time the others
took. Ratios are within a round, the table shows medians.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.agreements import ROOT
from benchmarks.fleet import Fleet, fleet
from benchmarks.measurement import cpu_seconds, progress, ratio, show, show_table
from devstack.processes import Part, prints
from tests.chaos.chaos_starve import CannotStarveError, starve

SETTLE_SECONDS: Final = 8.0
"""Until the workers' queues are full: at most what an agreement takes with one worker."""
FULL: Final = 0.9
"""Share of its budget above which a worker counts as the limit."""


class NoBudgetError(Exception):
    """This machine can neither limit nor pin processes."""


@dataclass(frozen=True)
class Run:
    """A run.

    Args:
        per_second: Agreements per second.
        used: Share of their budgets that the workers used.
        worker_cpu_ms: CPU milliseconds per agreement of all workers.
        temporal_cores: Cores that Temporal used on average.
        rest_cores: Cores that receiver, API and sandbox used.
    """

    per_second: float
    used: float
    worker_cpu_ms: float
    temporal_cores: float
    rest_cores: float


@contextmanager
def budgets(workers: Sequence[int], others: Sequence[int], cores: float) -> Iterator[tuple[float, str]]:
    """Limit workers.

    Args:
        workers: The process ids of the workers.
        others: The process ids of the other parts.
        cores: What every worker gets.

    Returns:
        The cores that a worker gets, and how they are limited.

    Raises:
        NoBudgetError: There are neither control groups nor enough cores.
    """
    groups: list[Path] = []
    try:
        groups += [starve(cores, pid) for pid in workers]
    except CannotStarveError:
        _pin(workers, others)
        yield 1.0, "pinned to a core of its own"
        return
    try:
        yield cores, f"a control group with {cores:g} cores"
    finally:
        for group, pid in zip(groups, workers, strict=True):
            (group.parent / "cgroup.procs").write_text(str(pid))
            _remove(group)


def _remove(group: Path) -> None:
    """Remove a control group; the kernel refuses for a moment after its last process has left."""
    for _ in range(20):
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)


def _pin(workers: Sequence[int], others: Sequence[int]) -> None:
    available = sorted(os.sched_getaffinity(0))
    if len(available) <= len(workers):
        raise NoBudgetError(
            f"no writable control groups, and {len(available)} cores for {len(workers)} workers and "
            "Temporal: run it as root, or on a machine with more cores than workers"
        )
    for core, pid in zip(available, workers, strict=False):
        _pin_threads(pid, {core})
    for pid in others:
        _pin_threads(pid, set(available[len(workers) :]))


def _pin_threads(pid: int, cores: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


class Load:
    """Runs a constant number of agreements on a stack.

    Args:
        running: The stack.
    """

    def __init__(self, running: Fleet) -> None:
        self._running = running
        self.completed = 0
        """Agreements so far whose documents are archived."""

    @asynccontextmanager
    async def at_once(self, count: int) -> AsyncIterator[None]:
        """Run so many agreements until the end of the context, and then leave the rest alone."""
        tasks = [asyncio.create_task(self._sign()), *(asyncio.create_task(self._run()) for _ in range(count))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _run(self) -> None:
        while True:
            (reference,) = self._running.new_references(1)
            await self._running.start_one(reference)
            await self._running.client.get_workflow_handle(f"agreement-{reference}").result()
            self.completed += 1

    async def _sign(self) -> None:
        while True:
            for document in await self._running.documents():
                if document["status"] == "under_review":
                    await self._running.stack.sandbox.complete(document["id"])
            await asyncio.sleep(0.1)


async def measure(options: argparse.Namespace) -> tuple[Run, Run, str]:
    """Measure one worker, then several on the same stack; returns both, and how the workers were limited."""
    async with fleet(0, {}) as running:
        load = Load(running)
        async with load.at_once(options.at_once):
            single, how = await _window(running, load, options)
            await _add_workers(running, options.workers - 1)
            several, how = await _window(running, load, options)
        waiting = await running.waiting()
        assert waiting == 0, f"{waiting} agreements wait for a person"
    return single, several, how


async def _window(running: Fleet, load: Load, options: argparse.Namespace) -> tuple[Run, str]:
    pids = _pids(running)
    of_workers = [pid for name, pid in pids.items() if name.startswith("worker")]
    of_others = [pid for name, pid in pids.items() if not name.startswith("worker")]
    with budgets(of_workers, of_others, options.cores) as (budget, how):
        await asyncio.sleep(SETTLE_SECONDS)
        before, completed, start = _spent(pids), load.completed, time.monotonic()
        await asyncio.sleep(options.seconds)
        took, after = time.monotonic() - start, _spent(pids)
    agreements = load.completed - completed
    assert agreements, "no agreement was completed"
    spent = {name: after[name] - before[name] for name in after}
    by_workers = sum(seconds for name, seconds in spent.items() if name.startswith("worker"))
    measured = Run(
        per_second=agreements / took,
        used=by_workers / took / len(of_workers) / budget,
        worker_cpu_ms=1000 * by_workers / agreements,
        temporal_cores=spent["temporal"] / took,
        rest_cores=(sum(spent.values()) - by_workers - spent["temporal"]) / took,
    )
    return measured, how


async def _add_workers(running: Fleet, count: int) -> None:
    for number in range(count):
        command, env = [sys.executable, str(ROOT / "worker.py")], running.stack.env
        part = Part(f"worker-{number + 2}", command, prints("worker ready"), env, ROOT)
        await running.stack.supervisor.start(part)


def _pids(running: Fleet) -> Mapping[str, int]:
    supervisor = running.stack.supervisor
    extra = [name for name in (f"worker-{number}" for number in range(2, 100)) if supervisor.is_running(name)]
    return {name: supervisor.pid(name) for name in (*running.stack.parts, *extra)}


def _spent(pids: Mapping[str, int]) -> Mapping[str, float]:
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


async def run(options: argparse.Namespace) -> None:
    """Measure in rounds and print the medians."""
    rounds: list[tuple[Run, Run]] = []
    how = ""
    try:
        for number in range(options.rounds):
            progress(f"round {number + 1} of {options.rounds}")
            single, several, how = await measure(options)
            rounds.append((single, several))
    finally:  # what there is, if it is interrupted
        if rounds:
            _report(rounds, how, options)


def _report(rounds: Sequence[tuple[Run, Run]], how: str, options: argparse.Namespace) -> None:
    columns = (
        "workers",
        "agreements per second",
        "of their budgets used",
        "worker CPU ms per agreement",
        "cores of Temporal",
        "cores of sandbox, receiver and API",
    )
    rows = []
    for index, workers in enumerate((1, options.workers)):
        runs = [measured[index] for measured in rounds]
        rows.append(
            (
                workers,
                f"{statistics.median(run.per_second for run in runs):.1f}",
                f"{statistics.median(run.used for run in runs):.2f}",
                f"{statistics.median(run.worker_cpu_ms for run in runs):.0f}",
                f"{statistics.median(run.temporal_cores for run in runs):.2f}",
                f"{statistics.median(run.rest_cores for run in runs):.2f}",
            )
        )
    show_table(columns, rows)
    gain = ratio([several.per_second for _, several in rounds], [single.per_second for single, _ in rounds])
    full = all(statistics.median(pair[index].used for pair in rounds) >= FULL for index in (0, 1))
    show(
        f"{options.workers} workers to 1: {gain:.2f}, on {os.cpu_count()} cores. Held fixed: a worker has "
        f"{how}; Temporal, sandbox and receiver are not limited. "
        + ("The workers were the limit." if full else "The workers were not the limit: the ratio is too low.")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=12, help="of a measurement (default 12)")
    parser.add_argument("--at-once", type=int, default=32, help="agreements (default 32)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", type=float, default=0.2, help="of a core, per worker (default 0.2)")
    try:
        asyncio.run(run(parser.parse_args(arguments)))
    except NoBudgetError as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
