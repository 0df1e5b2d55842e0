import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from cli.stack import plan
from countersign.connection import connect
from countersign.free_ports import free_port
from devstack.ports import Ports
from devstack.stack import Stack
from tests.observability.collector import Collector, collecting
from tests.observability.watched import Watched

VENV_BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def watched(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> AsyncIterator[Watched]:
    """The whole local stack, its worker and receiver offering metrics and traces, one agreement completed."""
    worker_port, receiver_port = free_port(), free_port()
    folder = tmp_path_factory.mktemp("watched")
    planned = replace(
        plan(folder, Ports.pick()),
        extra_env={
            "PATH": f"{VENV_BIN}:{os.environ['PATH']}",
            "COUNTERSIGN_WORKER_METRICS_PORT": str(worker_port),
            "COUNTERSIGN_WEBHOOKS_METRICS_PORT": str(receiver_port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        },
    )
    async with Stack(planned) as stack:
        watched = Watched(
            stack,
            await connect(environment=stack.env),
            worker=f"http://127.0.0.1:{worker_port}",
            receiver=f"http://127.0.0.1:{receiver_port}",
        )
        await watched.complete_one()
        yield watched
