"""API processes of a test's own."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from countersign.free_ports import free_port
from devstack.processes import Part, Supervisor, responds
from devstack.stack import Stack
from tests.api.api_caller import Caller

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Process:
    """A running API: a caller with the stack's token, its supervisor, and its log."""

    call: Caller
    supervisor: Supervisor

    @property
    def log(self) -> str:
        return self.supervisor.log("api").read_text()


@asynccontextmanager
async def running_api(stack: Stack, folder: Path, **changes: str) -> AsyncIterator[Process]:
    """Run an API on the stack's store, with other settings."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "api", "--port", str(port)]
    part = Part("api", command, responds(f"{url}/healthz"), {**stack.env, **changes}, ROOT)
    async with Supervisor(folder) as supervisor, httpx.AsyncClient(base_url=url, timeout=90) as http:
        await supervisor.start(part)
        yield Process(Caller(http, stack.api_token.read_text().strip()), supervisor)
