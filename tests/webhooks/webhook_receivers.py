"""Webhook receivers as processes, and in this process for tests that patch them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import httpx
from temporalio.client import Client

from countersign.configuration import load
from countersign.observability.readiness import Readiness
from countersign.settings import CountersignSettings, ReceiverSettings
from receiver import build_server
from tests.webhooks.webhook_deliveries import SECRET


@dataclass(frozen=True)
class RunningReceiver:
    """A receiver process."""

    url: str
    process: asyncio.subprocess.Process
    log: Path

    def logged(self) -> str:
        """Return what the process has written to stderr."""
        return self.log.read_text(encoding="utf-8")


def environment_of(client: Client, **changes: str) -> dict[str, str]:
    general = ("COUNTERSIGN_", "TURBODOCX_", "TEMPORAL_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(general)},
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
        "TURBODOCX_WEBHOOK_SECRET": SECRET,
        **changes,
    }


async def start_receiver(client: Client, *arguments: str, **changes: str) -> RunningReceiver:
    """Start `python receiver.py` with `changes` of the environment."""
    descriptor, log = tempfile.mkstemp(prefix="receiver-", suffix=".log")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "--port=0", *arguments),
        env=environment_of(client, **changes),
        stdout=asyncio.subprocess.PIPE,
        stderr=descriptor,
    )
    os.close(descriptor)
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    receiver = RunningReceiver(line.split()[-1] if line else "", process, Path(log))
    assert "listening on" in line, receiver.logged()
    return receiver


@asynccontextmanager
async def running_receiver(client: Client, *arguments: str, **changes: str) -> AsyncIterator[RunningReceiver]:
    """Run a receiver; check that it stops with exit code 0 and without a traceback."""
    receiver = await start_receiver(client, *arguments, **changes)
    try:
        yield receiver
    finally:
        if receiver.process.returncode is None:
            receiver.process.terminate()
        code = await receiver.process.wait()
        log = receiver.logged()
        receiver.log.unlink()
    assert code == 0
    assert "Traceback" not in log
    assert "Exception" not in log


def calling(receiver: RunningReceiver | str) -> httpx.AsyncClient:
    """Return a client that waits 5 s, as providers are advised to."""
    limits = httpx.Limits(max_connections=1000)
    url = receiver if isinstance(receiver, str) else receiver.url
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=5, limits=limits)


@asynccontextmanager
async def receiver_in_process(client: Client, port: int = 0, /, **changes: str) -> AsyncIterator[str]:
    """Serve in this process, with the command line's settings; yield the URL."""
    with patch.dict(os.environ, {"TURBODOCX_WEBHOOK_SECRET": SECRET, **changes}):
        general, settings = load(CountersignSettings, ReceiverSettings)
        server = build_server(general, settings, client, Readiness(client), host="127.0.0.1", port=port)
        async with server.running() as url:
            yield url
