"""Measure throughput with one worker and with several, on one machine.

    python -m benchmarks.scaling [--agreements 100] [--rounds 3] [--workers 2]

Temporal, sandbox, receiver and workers share the cores, so another worker helps only if cores are free.
Ratios are within a round; the table shows medians.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.agreements import ROOT
from benchmarks.fleet import Fleet, fleet
from devstack.processes import Part, prints

_TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """A run: agreements per second, and CPU milliseconds per agreement of workers and of other processes."""

    per_second: float
    workers_cpu_ms: float
    rest_cpu_ms: float


async def measure(workers: int, agreements: int) -> Run:
    """Run agreements on a stack with a number of workers until all are archived."""
    async with fleet(agreements, {}) as running:
        await _add_workers(running, workers - 1)
        before, start = _cpu_seconds(running), time.monotonic()
        await running.start()
        await running.until_sent(agreements)
        waiting = await running.drain()
        took, after = time.monotonic() - start, _cpu_seconds(running)
        assert (waiting, await running.completed()) == (0, agreements)
    spent = {name: (after[name] - before[name]) * 1000 / agreements for name in after}
    by_workers = sum(spent[name] for name in spent if name.startswith("worker"))
    return Run(agreements / took, by_workers, sum(spent.values()) - by_workers)


async def _add_workers(running: Fleet, count: int) -> None:
    for number in range(count):
        command, env = [sys.executable, str(ROOT / "worker.py")], running.stack.env
        part = Part(f"worker-{number + 2}", command, prints("worker ready"), env, ROOT)
        await running.stack.supervisor.start(part)


def _cpu_seconds(running: Fleet) -> dict[str, float]:
    spent = {}
    for name, process in running.stack.supervisor._running.items():  # noqa: SLF001  # process ids
        with open(f"/proc/{process.popen.pid}/stat") as stat:  # noqa: PTH123  # a kernel file
            fields = stat.read().rpartition(")")[2].split()
        spent[name] = (int(fields[11]) + int(fields[12])) / _TICK
    return spent


async def run(options: argparse.Namespace) -> None:
    """Measure in turn and print the medians."""
    rounds: list[tuple[Run, Run]] = []
    for _ in range(options.rounds):
        single = await measure(1, options.agreements)
        rounds.append((single, await measure(options.workers, options.agreements)))
    table = Table(
        "workers",
        "agreements per second",
        "CPU ms per agreement: workers",
        "CPU ms per agreement: other processes",
    )
    for index, workers in enumerate((1, options.workers)):
        runs = [measured[index] for measured in rounds]
        table.add_row(
            str(workers),
            f"{statistics.median(run.per_second for run in runs):.1f}",
            f"{statistics.median(run.workers_cpu_ms for run in runs):.0f}",
            f"{statistics.median(run.rest_cpu_ms for run in runs):.0f}",
        )
    ratio = statistics.median(several.per_second / single.per_second for single, several in rounds)
    console = Console()
    console.print(table)
    console.print(f"{options.workers} workers : 1 worker = {ratio:.2f}, on {os.cpu_count()} cores")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agreements", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    asyncio.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
