"""The local stack of the command line: in `.countersign/local`, on the usual ports where they are free."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from commands.errors import CommandError, ExitCode
from countersign.local.ports import PortTakenError
from countersign.local.processes import PartFailedError, says
from countersign.local.sandbox import SandboxError
from countersign.local.stack import Plan, Ports, Stack
from countersign.local.temporal import TemporalNotFoundError
from countersign.settings import data_folder
from workflows import attributes

ROOT: Final = Path(__file__).parents[1]
USUAL_PORTS: Final = {"temporal": 7233, "ui": 8233, "sandbox": 8300, "door": 8080}


class LocalStackError(CommandError):
    """A part of the local stack did not start, or stopped by itself."""

    exit_code = ExitCode.PART_FAILED


def plan(folder: Path, ports: Ports) -> Plan:
    """Plan the whole stack with this checkout's worker."""
    return Plan(
        folder=folder,
        worker=[sys.executable, str(ROOT / "worker.py")],
        worker_ready=says("worker ready"),
        search_attributes=attributes.TYPES,
        ports=ports,
    )


@asynccontextmanager
async def local_stack() -> AsyncIterator[Stack]:
    """Run the local stack; nothing of it is left afterwards but its folder.

    Raises:
        LocalStackError: A part did not start, or stopped by itself.
    """
    try:
        async with Stack(plan(data_folder() / "local", Ports.prefer(**USUAL_PORTS))) as stack:
            yield stack
    except (PartFailedError, PortTakenError, SandboxError, TemporalNotFoundError) as error:
        raise LocalStackError(str(error)) from None
