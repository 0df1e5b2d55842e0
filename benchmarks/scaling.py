"""Measure throughput with one worker and with several, each with its own budget of processor time.

    python -m benchmarks.scaling [--agreements 60] [--rounds 3] [--workers 2] [--cores 0.2]

Temporal, sandbox, receiver and workers share the machine's cores. So that workers differ while Temporal has
room, a worker process gets `--cores` of a core (a control group: this needs root), and the others are not
limited. Without control groups, a worker is pinned to a core of its own with `sched_setaffinity`, and the
others to the cores that are left; that needs more cores than workers. The table says how much of its budget a
worker used, which must be near 1 or the worker was not the limit, and how much processor time the others
took. Runs take turns; ratios are within a round, the table shows medians.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.agreements import ROOT
from benchmarks.fleet import Fleet, fleet
from benchmarks.measurement import cpu_seconds, progress, ratio, show, show_table
from devstack.processes import Part, prints
from tests.chaos.chaos_starve import CannotStarveError, starve

FULL: Final = 0.8
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


async def measure(workers: int, agreements: int, cores: float) -> tuple[Run, str]:
    """Run agreements on a stack with a number of workers until all are archived."""
    async with fleet(agreements, {}) as running:
        await _add_workers(running, workers - 1)
        pids = _pids(running)
        of_workers = [pid for name, pid in pids.items() if name.startswith("worker")]
        of_others = [pid for name, pid in pids.items() if not name.startswith("worker")]
        with budgets(of_workers, of_others, cores) as (budget, how):
            before, start = _spent(pids), time.monotonic()
            await running.start()
            await running.until_sent(agreements)
            waiting = await running.drain()
            took, after = time.monotonic() - start, _spent(pids)
        assert waiting == 0, f"{waiting} agreements wait for a person"
        assert await running.completed() == agreements, "some have failed"
    spent = {name: after[name] - before[name] for name in after}
    by_workers = sum(seconds for name, seconds in spent.items() if name.startswith("worker"))
    return (
        Run(
            per_second=agreements / took,
            used=by_workers / took / workers / budget,
            worker_cpu_ms=1000 * by_workers / agreements,
            temporal_cores=spent["temporal"] / took,
            rest_cores=(sum(spent.values()) - by_workers - spent["temporal"]) / took,
        ),
        how,
    )


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
    """Measure in turn and print the medians."""
    rounds: list[tuple[Run, Run]] = []
    how = ""
    try:
        for number in range(options.rounds):
            progress(f"round {number + 1} of {options.rounds}")
            single, how = await measure(1, options.agreements, options.cores)
            several, how = await measure(options.workers, options.agreements, options.cores)
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
    full = statistics.median(several.used for _, several in rounds) >= FULL
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
    parser.add_argument("--agreements", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
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
