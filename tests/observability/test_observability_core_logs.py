"""What the SDK's core has to say comes through our handlers, and not past them to stderr."""

import asyncio
import logging
from pathlib import Path

import pytest

from countersign.connection import connect
from countersign.free_ports import free_port
from devstack.processes import Part, Supervisor, prints
from devstack.temporal import READY, dev_server_command, find_temporal


@pytest.mark.heavy
async def test_the_core_says_through_logging_that_its_server_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    command = dev_server_command(
        await find_temporal(tmp_path),
        port=port,
        ui_port=free_port(),
        metrics_port=free_port(),
        database=tmp_path / "temporal.db",
        search_attributes={},
    )
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
    async with Supervisor(tmp_path / "logs") as supervisor:
        await supervisor.start(Part("temporal", command, prints(READY), {"PATH": ""}, tmp_path))
        client = await connect()
        supervisor.kill("temporal")
        with caplog.at_level(logging.WARNING):
            async with asyncio.timeout(60):
                calling = asyncio.create_task(client.get_workflow_handle("anybody").describe())
                while not any(record.name.startswith("temporalio.core") for record in caplog.records):  # noqa: ASYNC110  # the log is all there is
                    await asyncio.sleep(0.05)
                calling.cancel()
                await asyncio.gather(calling, return_exceptions=True)
