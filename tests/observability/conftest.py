import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from commands.local import plan
from countersign.connection import connect
from countersign.local.ports import Ports, free_port
from countersign.local.stack import Stack
from tests.observability.watched import Watched

VENV_BIN = Path(sys.executable).parent


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """The whole local stack, its worker and door offering metrics, with one agreement completed."""
    worker_port, door_port = free_port(), free_port()
    folder = tmp_path_factory.mktemp("watched")
    planned = replace(
        plan(folder, Ports.pick()),
        extra_env={
            "PATH": f"{VENV_BIN}:{os.environ['PATH']}",
            "COUNTERSIGN_WORKER_METRICS_PORT": str(worker_port),
            "COUNTERSIGN_WORKER_CENSUS_SECONDS": "0.1",
            "COUNTERSIGN_WEBHOOKS_METRICS_PORT": str(door_port),
        },
    )
    async with Stack(planned) as stack:
        watched = Watched(
            stack,
            await connect(environment=stack.env),
            worker=f"http://127.0.0.1:{worker_port}",
            door=f"http://127.0.0.1:{door_port}",
        )
        await watched.complete_one()
        yield watched
