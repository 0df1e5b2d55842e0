"""Limit the processor time of a chaos run with a control group."""

import os
from pathlib import Path
from typing import Final

_PERIOD: Final = 100_000
"""Microseconds; the kernel's default."""
_VERSION_1: Final = Path("/sys/fs/cgroup/cpu")
_VERSION_2: Final = Path("/sys/fs/cgroup")


class CannotStarveError(Exception):
    """This machine does not allow limits of processor time."""


def starve(cores: float, pid: int | None = None) -> Path:
    """Give a process, and those it starts from now on, so many processor cores together.

    Args:
        cores: How many, for example 0.5.
        pid: The process; by default this one.

    Returns:
        The control group, which its last process leaves behind: an empty folder.

    Raises:
        CannotStarveError: There are no control groups, or they are not writable.
    """
    quota = int(cores * _PERIOD)
    is_version_1 = (_VERSION_1 / "cpu.cfs_quota_us").exists() or (_VERSION_1 / "cgroup.procs").exists()
    group = (_VERSION_1 if is_version_1 else _VERSION_2) / f"countersign-chaos-{pid or os.getpid()}"
    try:
        group.mkdir(exist_ok=True)  # a killed process left it, or the kernel has not yet removed it
        if is_version_1:
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
        (group / "cgroup.procs").write_text(str(pid or os.getpid()))
    except OSError as error:
        raise CannotStarveError(f"--cores needs a writable control group: {error}") from error
    return group
