"""Measure the processor time of short commands.

    python -m benchmarks.startup [--rounds 10]

The base is `import temporalio.client`, which all commands that call Temporal need. `status` calls a
server that does not run. The table shows medians of user and system time; ratios are of the medians.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).parents[1]
COMMANDS: Final = {
    "import temporalio.client": ["-c", "import temporalio.client"],
    "countersign --help": ["starter.py", "--help"],
    "countersign status": ["starter.py", "status", "A-17"],
    "import countersign.client": ["-c", "import countersign.client"],
}


def processor_seconds(arguments: list[str]) -> float:
    """Run Python and return its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {"PATH": os.environ["PATH"], "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    measured = {name: [processor_seconds(arguments)] for name, arguments in COMMANDS.items()}  # fills caches
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            measured[name].append(processor_seconds(arguments))
    medians = {name: statistics.median(seconds[1:]) for name, seconds in measured.items()}
    base = next(iter(medians.values()))
    table = Table("", "CPU seconds", "above the base", "ratio", title=f"{rounds} rounds")
    for name, seconds in medians.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds - base:.2f}", f"{seconds / base:.2f}")
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
