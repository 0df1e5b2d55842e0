"""What the benchmarks share: costs of processes, ratios within a round, and tables in Markdown."""

import math
import os
import platform
import re
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table to stdout; figures stand at the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    show("\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines))


def show(text: str) -> None:
    """Print a paragraph to stdout."""
    print(f"{text}\n", flush=True)


def progress(text: str) -> None:
    """Print a line to stderr, so that stdout holds results only."""
    print(text, file=sys.stderr, flush=True)


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the ratios of values that were measured in the same round.

    Rounds whose base is 0 (CPU time below the clock's tick) are left out; without others it is not a number.
    """
    ratios = [one / other for one, other in zip(values, base, strict=True) if other]
    return statistics.median(ratios) if ratios else math.nan


def machine() -> str:
    """Describe the machine: cores, processor, memory, load, Python."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    kilobytes = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    parts = [f"{os.cpu_count()} cores", model[1] if model else platform.machine()]
    if kilobytes:
        parts.append(f"{int(kilobytes[1]) / 1024**2:.0f} GB")
    return ", ".join([*parts, f"Python {platform.python_version()}", f"load {os.getloadavg()[0]:.1f}"])


def decimals(value: float) -> str:
    """Format a figure with as many digits as mean something: about three."""
    return f"{value:,.{max(0, 2 - int(math.log10(max(1, abs(value)))))}f}"


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident_megabytes(pid: int) -> float:
    """Return the memory that a process has now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
