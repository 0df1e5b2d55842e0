"""Measure the processor time of short commands, and of a worker until it is ready.

    python -m benchmarks.startup [--rounds 10] [--against PATH]

The base is `import temporalio.client`, which all commands that call Temporal need. `status` calls a
server that does not run; the worker has one. The table shows medians of user and system time. With
`--against`, rounds alternate with another checkout, and the last column is the median ratio to it within a
round.
"""

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.measurement import show_table
from countersign.agreements import search_attributes
from devstack.processes import prints
from devstack.stack import Plan, Stack

ROOT: Final = Path(__file__).parents[1]
COMMANDS: Final = {
    "import temporalio.client": ["-c", "import temporalio.client"],
    "countersign --help": ["starter.py", "--help"],
    "countersign status": ["starter.py", "status", "A-17"],
    "import countersign.client": ["-c", "import countersign.client"],
}
WORKER: Final = "worker until ready"
_TICK: Final = os.sysconf("SC_CLK_TCK")


def command_seconds(root: Path, arguments: list[str]) -> float:
    """Run Python in a checkout and return its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    subprocess.run([sys.executable, *arguments], cwd=root, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def worker_seconds(root: Path, environment: Mapping[str, str]) -> float:
    """Start a checkout's worker and return its processor time in seconds until it is ready.

    Raises:
        RuntimeError: It ended before.
    """
    with subprocess.Popen(
        [sys.executable, "worker.py"],
        cwd=root,
        env={**environment, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as worker:
        assert worker.stdout is not None  # a pipe
        if worker.stdout.readline() != "worker ready\n":
            raise RuntimeError("the worker ended before it was ready")
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        worker.kill()
    return (int(fields[11]) + int(fields[12])) / _TICK


def measure(root: Path, environment: Mapping[str, str]) -> dict[str, float]:
    """Measure every row of the table once, in seconds."""
    rows = {name: command_seconds(root, arguments) for name, arguments in COMMANDS.items()}
    return {**rows, WORKER: worker_seconds(root, environment)}


async def main(rounds: int, against: Path | None) -> None:
    """Measure and print the table."""
    roots = [ROOT, *([against] if against else [])]
    measured: dict[Path, list[dict[str, float]]] = {root: [] for root in roots}
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            folder=Path(folder),
            worker=[],
            worker_ready=prints(""),
            search_attributes=search_attributes.TYPES,
            parts=("temporal", "sandbox"),
        )
        async with Stack(plan) as stack:
            for _ in range(rounds + 1):
                for root in roots:
                    measured[root].append(await asyncio.to_thread(measure, root, stack.env))
    for runs in measured.values():
        del runs[0]  # it filled caches
    _show(measured, rounds, against)


def _show(measured: dict[Path, list[dict[str, float]]], rounds: int, against: Path | None) -> None:
    ours = measured[ROOT]
    medians = {name: statistics.median(run[name] for run in ours) for name in ours[0]}
    base = next(iter(medians.values()))
    rows = []
    for name, seconds in medians.items():
        to_other = "-"
        if against:
            pairs = zip(ours, measured[against], strict=True)
            to_other = f"{statistics.median(run[name] / other[name] for run, other in pairs):.2f}"
        rows.append((f"`{name}`", f"{seconds:.2f}", f"{seconds - base:.2f}", to_other))
    show_table((f"{rounds} rounds", "CPU seconds", "above the base", "to the other"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--against", type=Path, help="another checkout, to compare with")
    options = parser.parse_args()
    asyncio.run(main(options.rounds, options.against))
