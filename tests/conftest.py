"""What every test may use: a real Temporal server, tuned for speed, and a way to skip a workflow's time."""

import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import pytest_asyncio
import trustme
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig, WorkflowEnvironment

from cli.stack import plan
from countersign.connection import connect
from countersign.free_ports import free_port
from countersign.testing import start_temporal
from devstack.ports import Ports
from devstack.processes import Part, Supervisor, prints
from devstack.sandbox import Sandbox
from devstack.stack import Stack

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background, as its children would be
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-histories", action="store_true", help="write tests/histories anew: `make record-histories`"
    )


def cannot_run(why: str) -> NoReturn:
    """Skip a test that this machine cannot run; under CI that is a failure."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    raise AssertionError


def tool(name: str, package: str | None = None) -> str:
    """Find a program that pip does not bring; without it a test cannot run."""
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        cannot_run(f"no {name} on this machine: apt-get install {package or name}")
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_env() -> AsyncIterator[WorkflowEnvironment]:
    """One Temporal server for the session, in memory."""
    async with start_temporal() as env:
        yield env


@pytest.fixture
def client(temporal_env: WorkflowEnvironment) -> Client:
    """A client whose workflows live in real time."""
    return temporal_env.client


@pytest.fixture
def time_skipper(client: Client) -> TimeSkipper:
    """`time_skipper.client` starts workflows whose clock skips while nothing is in flight."""
    return TimeSkipper(client, config=TimeSkippingConfig(enabled=False))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    """One sandbox for the session, a process of its own, quick to deliver webhooks."""
    folder = tmp_path_factory.mktemp("sandbox")
    sandbox = Sandbox(f"http://127.0.0.1:{free_port()}")
    async with Supervisor(folder) as supervisor:
        await supervisor.start(sandbox_part(sandbox, folder))
        yield sandbox


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def documenso_sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    """One Documenso sandbox for the session; its API begins at `{url}/api/v2`."""
    folder = tmp_path_factory.mktemp("documenso")
    sandbox = Sandbox(f"http://127.0.0.1:{free_port()}")
    async with Supervisor(folder) as supervisor:
        await supervisor.start(sandbox_part(sandbox, folder, "documenso"))
        yield sandbox


def sandbox_part(sandbox: Sandbox, folder: Path, provider: str = "turbodocx") -> Part:
    """The process of a provider's sandbox whose state lies in a folder."""
    port = sandbox.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "sandbox", provider, "--host", "127.0.0.1", "--port", port]
    command += ["--allow-host", "api.countersign.invalid"]  # the name of tests behind a proxy
    return Part(
        "sandbox",
        [*command, "--data-dir", str(folder)],
        prints(sandbox.url),
        env={"PATH": os.environ["PATH"]},
        folder=Path(__file__).parents[1],
    )


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Whose certificates the standing stack trusts."""
    return trustme.CA()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def standing_stack(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> AsyncIterator[tuple[Stack, Client]]:
    """The whole of Countersign, as `make up` runs it, on a folder and ports of its own."""
    folder = tmp_path_factory.mktemp("stack")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    extra = {"SANDBOX_RETRY_DELAYS": "1,2", "SSL_CERT_FILE": str(folder / "authority.pem")}
    extra["COUNTERSIGN_API_REQUESTS_PER_SECOND"] = "1000"
    async with Stack(replace(plan(folder, Ports.pick()), extra_env=extra)) as stack:
        yield stack, await connect(environment=stack.env)
        for name in stack.parts:  # a graceful stop would wait for work that nobody needs any more
            if stack.supervisor.is_running(name):
                stack.supervisor.kill(name)
