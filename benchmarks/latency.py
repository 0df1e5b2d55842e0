"""Measure how long one agreement takes that has the worker for itself.

    python -m benchmarks.latency [--agreements 40] [--against PATH]

Two waits of people: from the start until the provider reports the document as sent, and from the webhook that
reports it completed until the result is there, which is after the archive. With `--against`, agreements
alternate between this checkout's worker and another's, on one Temporal server and one sandbox; the ratio is
the median of neighbours' ratios.
"""

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import uvicorn
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.client import Client, WorkflowHandle

from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementInput, Signer, TemplateSource
from countersign.agreements.names import DEFAULT_ACCOUNT, SIGNATURE_EVENT, WORKFLOW_NAME
from countersign.agreements.reference import workflow_id
from countersign.connection import data_converter
from countersign.free_ports import free_port
from devstack.processes import Part, prints
from devstack.stack import Plan, Stack

ROOT: Final = Path(__file__).parents[1]
TEMPLATE: Final = "7e3a1c00-0000-4000-8000-000000000001"
VARIABLES: Final = {"CustomerName": "A", "CompanyName": "B", "Service": "C", "Price": "1", "StartDate": "now"}
_KINDS: Final = {"signed": "partially_signed"}
_PATIENCE: Final = 120
_WARM: Final = 4


class Waits(NamedTuple):
    """The two waits of one agreement, in seconds."""

    until_sent: float
    until_archived: float


class Lane:
    """Runs agreements, one at a time, and passes the sandbox's webhooks on to them."""

    def __init__(self, stack: Stack, client: Client) -> None:
        self._stack = stack
        self._client = client
        self._handle: WorkflowHandle[Any, Any] | None = None
        self._sent = self._completed = asyncio.get_running_loop().create_future()

    async def receive(self, request: Request) -> Response:
        """Signal a webhook to the agreement under way."""
        at, body = time.perf_counter(), await request.json()
        kind, data = body["event"].rpartition(".")[2], body["data"]
        reference = re.split(r"[ ~]", data["title"].rpartition("[")[2])[0]
        if self._handle is None or self._handle.id != workflow_id(reference):
            return Response()
        event = {
            "event_id": body["event_id"],
            "kind": _KINDS.get(kind, kind),
            "occurred_at": body["created_at"],
        }
        recipient = {"recipient_id": data["recipient_id"]} if data.get("recipient_id") else {}
        await self._handle.signal(SIGNATURE_EVENT, event | recipient | {"document_id": data["document_id"]})
        if kind == "sent" and not self._sent.done():
            self._sent.set_result((at, data["document_id"]))
        if kind == "completed" and not self._completed.done():
            self._completed.set_result(at)
        return Response()

    async def run(self, task_queue: str) -> Waits:
        """Run one agreement of one signer with a deadline."""
        loop, reference = asyncio.get_running_loop(), uuid.uuid4().hex[:12]
        self._sent, self._completed = loop.create_future(), loop.create_future()
        self._handle = self._client.get_workflow_handle(workflow_id(reference))
        deadline, began = datetime.now(UTC) + timedelta(days=30), time.perf_counter()
        await self._client.start_workflow(
            WORKFLOW_NAME,
            AgreementInput(
                reference=reference,
                title="A benchmark",
                source=TemplateSource(template_id=TEMPLATE, variables=VARIABLES),
                signers=(Signer(name="A signer", email=f"{reference}@example.com"),),
                deadline=deadline,
            ),
            id=workflow_id(reference),
            task_queue=task_queue,
            search_attributes=search_attributes.at_start(DEFAULT_ACCOUNT, deadline),
        )
        sent, document_id = await asyncio.wait_for(self._sent, _PATIENCE)
        (recipient_id,) = await self._stack.sandbox.recipient_ids(document_id)
        await self._stack.sandbox.view(document_id, recipient_id)
        await self._stack.sandbox.sign(document_id, recipient_id)
        await asyncio.wait_for(self._handle.result(), _PATIENCE)
        archived = time.perf_counter()
        return Waits(sent - began, archived - await self._completed)


@asynccontextmanager
async def _receiving(lane: Lane, port: int) -> AsyncIterator[None]:
    app = Starlette(routes=[Route("/", lane.receive, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


async def main(agreements: int, against: Path | None) -> None:
    """Run the agreements and print the table."""
    roots = [ROOT, *([against] if against else [])]
    queues = [f"latency-{number}" for number in range(len(roots))]
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            folder=Path(folder),
            worker=[],
            worker_ready=prints(""),
            search_attributes=search_attributes.TYPES,
            parts=("temporal", "sandbox"),
        )
        async with Stack(plan) as stack:
            for root, queue in zip(roots, queues, strict=True):
                env = {**stack.env, "PYTHONPATH": str(root), "COUNTERSIGN_TASK_QUEUE": queue}
                command = [sys.executable, str(root / "worker.py")]
                await stack.supervisor.start(Part(queue, command, prints("worker ready"), env, root))
            client = await Client.connect(stack.temporal_address, data_converter=data_converter())
            lane, port = Lane(stack, client), free_port()
            async with _receiving(lane, port):
                await stack.sandbox.subscribe(f"http://127.0.0.1:{port}/")
                runs = [[await lane.run(queue) for queue in queues] for _ in range(_WARM + agreements)]
    _show(runs[_WARM:])


def _show(runs: list[list[Waits]]) -> None:
    table = Table("", "ms, median", "to the other", title=f"one agreement at a time, {len(runs)} each")
    for place, name in enumerate(("start to sent", "completed (webhook) to archived")):
        ours = statistics.median(run[0][place] for run in runs)
        ratios = [run[0][place] / run[1][place] for run in runs if len(run) > 1]
        ratio = f"{statistics.median(ratios):.2f}" if ratios else "-"
        table.add_row(name, f"{1000 * ours:.0f}", ratio)
    Console(highlight=False).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--agreements", type=int, default=40)
    parser.add_argument("--against", type=Path, help="another checkout, to compare with")
    options = parser.parse_args()
    asyncio.run(main(options.agreements, options.against))
