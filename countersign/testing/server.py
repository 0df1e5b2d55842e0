"""A Temporal server in memory, with the search attributes of agreements, tuned for tests."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from temporalio.testing import WorkflowEnvironment

from countersign.agreements import search_attributes
from countersign.connection import data_converter

_CONFIGURATION: Final = {
    "limit.historyCount.suggestContinueAsNew": "200",
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "history.transferProcessorMaxPollRPS": "2000",
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "2",
}
"""With its defaults the server delays tasks by up to 50 ms and timers by up to a second."""

_STARTS: Final = 5
_TOO_SLOW: Final = "did not start within"
"""The SDK's words."""


@asynccontextmanager
async def start_temporal(*, http_port: int | None = None) -> AsyncIterator[WorkflowEnvironment]:
    """Run a Temporal dev server until the block ends.

    The server is the `temporal` program on the PATH or beside the Python interpreter (the extra `testing`
    installs it). Without one, the SDK downloads it.

    Args:
        http_port: The port of Temporal's HTTP API; by default any.

    Yields:
        The environment. Its clock is real; `temporalio.testing.TimeSkipper` skips a workflow's waits.

    Raises:
        RuntimeError: The server does not start.
    """
    async with await _start(http_port) as environment:
        yield environment


async def _start(http_port: int | None) -> WorkflowEnvironment:
    """Start the server, again on a busy machine: the SDK gives it five seconds."""
    for _ in range(_STARTS - 1):
        try:
            return await _start_once(http_port)
        except RuntimeError as error:
            if _TOO_SLOW not in str(error):
                raise
    return await _start_once(http_port)


async def _start_once(http_port: int | None) -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_local(
        data_converter=data_converter(),
        search_attributes=[
            search_attributes.STAGE,
            search_attributes.WAITING_FOR,
            search_attributes.ACCOUNT,
            search_attributes.DOCUMENT_ID,
            search_attributes.NEEDS_ATTENTION,
            search_attributes.DEADLINE,
            search_attributes.BATCH,
        ],
        dev_server_existing_path=temporal_executable(),
        dev_server_log_level="error",
        dev_server_extra_args=[
            *(() if http_port is None else ("--http-port", str(http_port))),
            *(
                argument
                for name, value in _CONFIGURATION.items()
                for argument in ("--dynamic-config-value", f"{name}={value}")
            ),
        ],
    )


def temporal_executable() -> str | None:
    """Find the `temporal` program on the PATH, or beside the Python interpreter."""
    beside_python = Path(sys.executable).with_name("temporal")
    return shutil.which("temporal") or (str(beside_python) if beside_python.exists() else None)
