"""The receivers of the documentation, run as they are, accept what a worker sends."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.free_ports import free_port
from devstack.processes import Part, Supervisor
from devstack.sandbox import Sandbox
from tests.callbacks.callback_receiver import SECRET
from tests.conftest import cannot_run
from tests.workflows.office import an_agreement, open_office

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PACKAGE = "standardwebhooks@1.0.0"


@asynccontextmanager
async def example(command: Sequence[str], folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """Run a receiver until the block ends; yields its address and what it prints."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    env = {"PATH": os.environ["PATH"], "CALLBACK_SECRET": SECRET, "PORT": str(port)}

    def listens(_printed: str) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", port)) == 0

    async with Supervisor(folder) as supervisor:
        await supervisor.start(Part("receiver", list(command), listens, env, folder))
        yield url, folder / "receiver.log"


async def receives(
    command: Sequence[str], folder: Path, client: Client, skipper: TimeSkipper, sandbox: Sandbox
) -> None:
    async with (
        example(command, folder) as (url, printed),
        open_office(client, skipper, sandbox, folder / "store") as office,
    ):
        agreement = an_agreement(callback_url=f"{url}hook?token=x")
        handle = await office.start(agreement)
        document_id = await office.sent(handle)
        await office.sign_all(document_id)
        await office.deliver_event(handle, "completed", document_id)

        async def text() -> str:
            return await asyncio.to_thread(printed.read_text)

        line = f"agreement.completed {agreement.reference}"
        await office.eventually(text, lambda found: line in found)
        forged = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        async with httpx.AsyncClient() as caller:
            assert (await caller.post(url, content=b"{}", headers=forged)).status_code == 401


async def test_the_receiver_in_python(
    tmp_path: Path, client: Client, time_skipper: TimeSkipper, sandbox: Sandbox
) -> None:
    command = [sys.executable, str(EXAMPLES / "callback_receiver.py")]
    await receives(command, tmp_path, client, time_skipper, sandbox)


@pytest.mark.heavy
@pytest.mark.timeout(600)
async def test_the_receiver_in_javascript(
    tmp_path: Path, client: Client, time_skipper: TimeSkipper, sandbox: Sandbox
) -> None:
    npm = shutil.which("npm")
    if npm is None:
        cannot_run("no npm on this machine: apt-get install npm")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = shutil.copy(EXAMPLES / "callback_receiver.mjs", tmp_path)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    await receives([shutil.which("node") or "node", str(script)], tmp_path, client, time_skipper, sandbox)
