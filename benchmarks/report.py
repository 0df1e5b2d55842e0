"""Measure everything, and write the figures into the performance page.

    python -m benchmarks.report [--quick] [--page docs/explanation/performance.md]

The benchmarks run one after the other, each in a process of its own with a time limit; together they take at
most 42 minutes. The page holds a block per benchmark, between `<!-- figures: NAME -->` and `<!-- end -->`,
which is replaced, so that all figures of the page come from one run. A benchmark that fails or takes too
long leaves a block that says so, never the figures of an earlier run. `--quick` uses small numbers: it
shows that everything works, and its figures mean little.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.measurement import machine, progress

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/explanation/performance.md"
_BLOCK: Final = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Part:
    """A benchmark of the page.

    Args:
        arguments: The module of `benchmarks` and its options.
        quick: The options for a quick run.
        seconds: Its time limit.
    """

    arguments: str
    quick: str
    seconds: float


PARTS: Final[Mapping[str, Part]] = {
    "agreements": Part("--agreements 40 --seconds 110", "--agreements 8 --rounds 1 --lone 2", 200),
    "growth": Part("--step 2500 --steps 4 --seconds 900", "--step 20 --steps 3", 1080),
    "waiting": Part("--agreements 2", "--agreements 1", 150),
    "scaling": Part("--rounds 2 --seconds 10", "--rounds 1 --seconds 6 --at-once 8", 145),
    "webhooks": Part("--rounds 8 --refusals 0", "--rounds 1 --deliveries 100 --burst 100 --refusals 0", 60),
    "client": Part("--calls 200 --rounds 5", "--calls 40 --rounds 1", 40),
    "outage": Part("--agreements 40 --time-scale 15", "--agreements 12 --time-scale 20", 120),
    "throttle": Part("--agreements 100", "--agreements 20", 60),
    "bulk": Part("--rounds 2", "--agreements 60 --backlog 60 --interactive 8 --step 0.1 --rounds 1", 540),
    "sandbox": Part("--agreements 300", "--agreements 50", 40),
    "startup": Part("--rounds 3", "--rounds 1", 40),
}


def measure(name: str, options: str, seconds: float) -> tuple[str, bool]:
    """Run one benchmark; returns its block, and whether it succeeded."""
    command = f"python -m benchmarks.{name} {options}".strip()
    progress(f"{datetime.now(UTC):%H:%M:%S} {command}")
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{name}", *options.split()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
            failure = f"exit code {process.returncode}" if process.returncode else None
        except subprocess.TimeoutExpired:
            output, failure = _stopped(process), f"stopped after {seconds:g} s"
    took = f"{time.monotonic() - began:.0f} s"
    lines = [f"`{command}`, {took}:", "", output.strip(), ""]
    if failure:
        lines += [f"**Failed: {failure}.**", ""]
    return "\n".join(lines), failure is None


def _stopped(process: subprocess.Popen[str]) -> str:
    """Interrupt a benchmark, so that it stops its parts and prints what it has; kill it after 20 s."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        return process.communicate(timeout=20)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def written(page: str, blocks: Mapping[str, str]) -> str:
    """Return the page with new blocks.

    Raises:
        KeyError: The page has a block that is not measured, or lacks one that is.
    """
    if missing := blocks.keys() - {name for _, name, _ in _BLOCK.findall(page)}:
        raise KeyError(f"the page has no block for {', '.join(sorted(missing))}")
    return _BLOCK.sub(lambda found: f"{found[1]}{blocks[found[2]]}\n{found[3]}", page)


def main() -> int:
    """Run everything; returns 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that all works")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    before = machine()
    command = "python -m benchmarks.report" + (" --quick" if options.quick else "")
    head = f"Taken on {datetime.now(UTC):%Y-%m-%d} (UTC) with `{command}`: {before} at the start.\n"
    if options.quick:
        head += "\nA quick run: its numbers are small, so its figures mean little.\n"
    blocks, succeeded = {"run": head}, True
    written(options.page.read_text(), dict.fromkeys(("run", *PARTS), ""))  # before the work, not after
    for name, part in PARTS.items():
        blocks[name], fine = measure(name, part.quick if options.quick else part.arguments, part.seconds)
        succeeded &= fine
        progress(blocks[name])
    options.page.write_text(written(options.page.read_text(), blocks))
    progress(f"{options.page} is written")
    return 0 if succeeded else 1


if __name__ == "__main__":
    raise SystemExit(main())
