"""The receiver logs outages of Temporal and their ends."""

import asyncio
import json

import pytest
from temporalio.client import Client

from countersign.free_ports import free_port
from tests.polling import poll
from tests.webhooks.webhook_receivers import RunningReceiver, running_receiver

pytestmark = pytest.mark.thorough


async def reported(receiver: RunningReceiver, lines: int) -> list[tuple[str, str]]:
    """Wait for a number of lines about outages; return level and text of all such lines."""

    def look() -> list[tuple[str, str]] | None:
        records = [json.loads(line) for line in receiver.logged().splitlines()]
        found = [record for record in records if record["logger"] == "countersign.observability.outage"]
        return [(item["level"], item["event"]) for item in found] if len(found) >= lines else None

    return await asyncio.to_thread(poll, look)


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


async def test_an_outage_and_its_end_are_reported_once_every(receiving: Client) -> None:
    temporal, port = receiving.service_client.config.target_host.split(":"), free_port()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(temporal[0], int(temporal[1]))
        await asyncio.gather(pour(reader, back), pour(there, writer), return_exceptions=True)

    async with running_receiver(receiving, TEMPORAL_ADDRESS=f"127.0.0.1:{port}") as receiver:
        await reported(receiver, 1)
        relay = await asyncio.start_server(forward, "127.0.0.1", port)
        lines = await reported(receiver, 2)
        relay.close()

    where = f"Temporal at 127.0.0.1:{port}, namespace default"
    assert lines == [
        ("warning", f"cannot reach {where}; until it can, deliveries get a 503"),
        ("warning", f"{where}, is reachable again"),
    ]


async def test_a_namespace_that_is_not_there_is_reported_too(receiving: Client) -> None:
    async with running_receiver(receiving, TEMPORAL_NAMESPACE="nowhere") as receiver:
        ((_, line),) = await reported(receiver, 1)
    assert "namespace nowhere; until it can, deliveries get a 503" in line
