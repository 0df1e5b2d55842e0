"""What a deployment finds outside: Temporal and the provider, here the dev server and the sandbox."""

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementResult
from countersign.free_ports import free_port
from devstack.processes import Part, Supervisor, prints
from devstack.sandbox import ORG_ID, Sandbox
from devstack.temporal import READY, dev_server_command, find_temporal

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outside:
    """Temporal and the sandbox, and the supervisor that stops what is started beside them."""

    supervisor: Supervisor
    temporal: str
    sandbox: Sandbox

    def settings(self, folder: Path) -> dict[str, str]:
        """What a deployment's settings must say instead, to find them and a store in `folder`."""
        return {
            "COUNTERSIGN_ENVIRONMENT": "development",
            "COUNTERSIGN_STORE": str(folder / "store"),
            "TEMPORAL_ADDRESS": self.temporal,
            "TURBODOCX_BASE_URL": self.sandbox.url,
            "TURBODOCX_ORG_ID": ORG_ID,
            "TURBODOCX_SENDER_EMAIL": "contracts@example.com",
            "TURBODOCX_SENDER_NAME": "Example Contracts",
        }


def set_up_webhook(url: str, environment: Mapping[str, str]) -> None:
    """Run `countersign webhook setup`, with the settings of a deployment."""
    _countersign("webhook", "setup", "--url", url, environment=environment)


def make_token(environment: Mapping[str, str]) -> str:
    """Run `countersign token create`, with the settings of a deployment."""
    scopes = ("--scope", "start", "--scope", "read", "--scope", "read:people")
    return _countersign("token", "create", "shop", *scopes, environment=environment).strip()


def _countersign(*arguments: str, environment: Mapping[str, str]) -> str:
    command = [sys.executable, "starter.py", *arguments]
    done = subprocess.run(
        command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def check_api(url: str, token: str, ended: AgreementResult) -> None:
    """Ask a deployment's API, which has no provider's key, for an ended agreement and its document."""
    assert ended.archive is not None
    of_it = f"/v1/agreements/{ended.reference}"
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as caller:
        shown = await caller.get(of_it)
        signed = await caller.get(f"{of_it}/signed.pdf")
        unknown = await caller.get(of_it, headers={"Authorization": "Bearer cst_unknown"})
        contract = await caller.get("/openapi.json")
    assert (shown.status_code, shown.json()["result"]["outcome"]) == (200, ended.outcome)
    assert hashlib.sha256(signed.content).hexdigest() == ended.archive.document.sha256
    assert (unknown.status_code, contract.status_code) == (401, 200)


@asynccontextmanager
async def outside(folder: Path) -> AsyncIterator[Outside]:
    """Run Temporal and the sandbox until the end of `async with`."""
    sandbox = Sandbox(f"http://127.0.0.1:{free_port()}")
    port = free_port()
    command = dev_server_command(
        await find_temporal(folder),
        port=port,
        ui_port=free_port(),
        metrics_port=free_port(),
        database=folder / "temporal.db",
        search_attributes=search_attributes.TYPES,
    )
    served = [sys.executable, "-m", "sandbox", "--port", sandbox.url.rsplit(":", 1)[1]]
    served += ["--data-dir", str(folder / "sandbox")]
    async with Supervisor(folder / "logs") as supervisor:
        await supervisor.start(Part("temporal", command, prints(READY), dict(os.environ), ROOT))
        await supervisor.start(Part("sandbox", served, prints(sandbox.url), dict(os.environ), ROOT))
        yield Outside(supervisor, f"127.0.0.1:{port}", sandbox)
