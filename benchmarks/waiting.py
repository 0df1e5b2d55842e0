"""Count the billable actions of agreements that wait: signed after a day, and after 30 days.

    python -m benchmarks.waiting [--agreements 5]

One signer, a deadline, webhooks that arrive. Each agreement's clock skips the wait, so nothing depends on the
machine's speed. The server counts the actions of agreements alone: the watcher reads once, before them.
Temporal, sandbox, receiver and worker are processes.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from benchmarks.agreements import ROOT, TEMPLATE, VARIABLES
from benchmarks.measurement import progress, show_table
from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementInput, AgreementResult, Signer, TemplateSource
from countersign.agreements.names import DEFAULT_ACCOUNT, TASK_QUEUE, WORKFLOW_NAME
from countersign.agreements.reference import workflow_id
from countersign.connection import data_converter
from countersign.free_ports import free_port
from countersign.watchers import watcher_state
from devstack.processes import Part, Supervisor, prints, responds
from devstack.sandbox import API_KEY, ORG_ID, Sandbox
from devstack.temporal import READY, dev_server_command, find_temporal

WAITS: Final = (timedelta(0), timedelta(days=1), timedelta(days=30))
_SKIP: Final = "grpc_UpdateWorkflowExecutionOptions"
"""The action by which this script skips time."""
_REFUSE_LOG: Final = {
    "path": "/api/webhooks/*/deliveries",
    "do": "status",
    "status": 403,
    "body": "",
    "times": None,
}


@dataclass(frozen=True)
class Variant:
    """A way to wait: whether the account is watched, and which events its receiver signals."""

    name: str
    watched: bool
    events: str


VARIANTS: Final = (
    Variant("watched", watched=True, events="all"),
    Variant("watched, WEBHOOK_EVENTS=essential", watched=True, events="essential"),
    Variant("not watched", watched=False, events="all"),
)


@dataclass(frozen=True)
class Town:
    """The processes that run."""

    client: Client
    time: TimeSkipper
    sandbox: Sandbox
    metrics_port: int

    def actions(self) -> Counter[str]:
        """Return the server's count of actions, by type."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as response:  # a loopback address
            text = response.read().decode()
        found: Counter[str] = Counter()
        for labels, value in re.findall(r"^action\{([^}]*)\} ([\d.e+]+)$", text, re.MULTILINE):
            kind = re.search(r'action_type="([^"]*)"', labels)
            if kind and kind[1] != _SKIP:
                found[kind[1]] += int(float(value))
        return found

    async def begin(self) -> tuple[WorkflowHandle[Any, AgreementResult], str]:
        """Start an agreement; return it with its document, once that is sent."""
        reference = uuid.uuid4().hex[:12]
        agreement = AgreementInput(
            reference=reference,
            title="A benchmark",
            source=TemplateSource(template_id=TEMPLATE, variables=VARIABLES),
            signers=(Signer(name="Ada Lovelace", email="ada@example.com"),),
            deadline=datetime.now(UTC) + timedelta(days=60),
        )
        handle = await self.client.start_workflow(
            WORKFLOW_NAME,
            agreement,
            id=workflow_id(reference),
            task_queue=TASK_QUEUE,
            result_type=AgreementResult,
            search_attributes=search_attributes.at_start(DEFAULT_ACCOUNT, agreement.deadline),
        )
        async with asyncio.timeout(120):
            while True:
                for entry in (await self.sandbox.ledger())["entries"]:
                    if entry["kind"] == "document_created" and reference in json.dumps(entry):
                        return handle, str(entry["subject"])
                await asyncio.sleep(0.1)

    async def measure(self, wait: timedelta, agreements: int) -> Counter[str]:
        """Run agreements that are signed after a wait; return their actions."""
        before = self.actions()
        for _ in range(agreements):
            handle, document_id = await self.begin()
            await asyncio.sleep(1)  # until it waits for its signer
            if wait:
                await self.time.fast_forward(handle, wait)
            (recipient_id,) = await self.sandbox.recipient_ids(document_id)
            await self.sandbox.view(document_id, recipient_id)
            await self.sandbox.sign(document_id, recipient_id)
            await asyncio.wait_for(handle.result(), 120)
        await asyncio.sleep(1)  # the last webhooks arrive, though they change nothing
        return self.actions() - before


@asynccontextmanager
async def town(folder: Path, variant: Variant) -> AsyncIterator[Town]:
    """Run everything until the block ends."""
    port, metrics_port, receiver_port = free_port(), free_port(), free_port()
    sandbox = Sandbox(f"http://127.0.0.1:{free_port()}")
    temporal = dev_server_command(
        await find_temporal(folder),
        port=port,
        ui_port=free_port(),
        metrics_port=metrics_port,
        database=folder / "temporal.db",
        search_attributes=search_attributes.TYPES,
    )
    temporal += ["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"]
    async with Supervisor(folder) as supervisor:
        await supervisor.start(Part("temporal", temporal, prints(READY), {"PATH": "/usr/bin:/bin"}, folder))
        command = [sys.executable, "-m", "sandbox", "--port", sandbox.url.rpartition(":")[2]]
        command += ["--data-dir", str(folder / "sandbox")]
        await supervisor.start(Part("sandbox", command, prints(sandbox.url), {}, ROOT))
        secret = await sandbox.subscribe(f"http://127.0.0.1:{receiver_port}/webhooks/{DEFAULT_ACCOUNT}")
        if not variant.watched:
            await sandbox.call("PUT", "/_sandbox/faults", {"api": [_REFUSE_LOG]})
        env = _environment(folder, sandbox, port, secret, variant.events)
        command = [sys.executable, "-m", "receiver", f"--port={receiver_port}"]
        ready = responds(f"http://127.0.0.1:{receiver_port}/readyz")
        await supervisor.start(Part("receiver", command, ready, env, ROOT))
        command = [sys.executable, str(ROOT / "worker.py")]
        await supervisor.start(Part("worker", command, prints("worker ready"), env, ROOT))
        client = await Client.connect(f"127.0.0.1:{port}", data_converter=data_converter())
        await _until_read(client, watched=variant.watched)
        time = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
        yield Town(client, time, sandbox, metrics_port)


async def _until_read(client: Client, *, watched: bool) -> None:
    """Wait until the watcher has read once, and sleeps."""
    async with asyncio.timeout(60):
        while True:
            state = await watcher_state(client, TASK_QUEUE, DEFAULT_ACCOUNT)
            if state.lack is None if watched else "may not read" in (state.lack or ""):
                break
            await asyncio.sleep(0.2)
    await asyncio.sleep(2)


def _environment(folder: Path, sandbox: Sandbox, port: int, secret: str, events: str) -> Mapping[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{port}",
        "COUNTERSIGN_STORE": str(folder / "store"),
        "COUNTERSIGN_WATCH_SECONDS": "900",
        "COUNTERSIGN_GRACEFUL_STOP_SECONDS": "150",
        "TURBODOCX_BASE_URL": sandbox.url,
        "TURBODOCX_API_KEY": API_KEY,
        "TURBODOCX_ORG_ID": ORG_ID,
        "TURBODOCX_SENDER_EMAIL": "contracts@example.com",
        "TURBODOCX_SENDER_NAME": "Example Contracts",
        "TURBODOCX_WEBHOOK_SECRET": secret,
        "TURBODOCX_WEBHOOK_EVENTS": events,
    }


async def run(agreements: int) -> None:
    """Measure all variants and print a table."""
    rows = []
    for variant in VARIANTS:
        with tempfile.TemporaryDirectory() as folder:
            async with town(Path(folder), variant) as running:
                counts = [await running.measure(wait, agreements) for wait in WAITS]
        rows.append([variant.name, *(f"{sum(count.values()) / agreements:.1f}" for count in counts)])
        for wait, count in zip(WAITS, counts, strict=True):
            kinds = ", ".join(f"{kind} {number / agreements:.1f}" for kind, number in sorted(count.items()))
            progress(f"{variant.name}, {wait.days} days: {kinds}")
    show_table(["actions per agreement, signed", "at once", "after a day", "after 30 days"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agreements", type=int, default=5, help="per case (default: %(default)s)")
    asyncio.run(run(parser.parse_args().agreements))
