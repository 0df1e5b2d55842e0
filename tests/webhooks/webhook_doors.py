"""Doors of the real command line."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client

from tests.webhooks.webhook_deliveries import SECRET


async def start_door(
    client: Client, *arguments: str, **environment: str
) -> tuple[asyncio.subprocess.Process, str]:
    """Start `python -m countersign.webhooks`; returns the process and its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "countersign.webhooks",
        "--port=0",
        *arguments,
        env={
            **os.environ,
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": client.namespace,
            "TURBODOCX_WEBHOOK_SECRET": SECRET,
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert "listening on" in line
    return process, line.split()[-1]


@asynccontextmanager
async def running_door(client: Client, *arguments: str, **environment: str) -> AsyncIterator[str]:
    process, url = await start_door(client, *arguments, **environment)
    try:
        yield url
    finally:
        process.terminate()
        assert await process.wait() == 0
