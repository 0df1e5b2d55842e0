"""Measure the cost of an agreement against a bare Temporal workflow with the same calls and signals.

    python -m benchmarks.agreements [--agreements 60] [--rounds 5] [--waiting 1000]

Both run on one Temporal server and one sandbox, with their own worker processes. This process receives the
sandbox's webhooks and signals both in the same way; benchmarks/webhooks.py measures the receiver. Ratios are
within a round; the tables show medians of rounds. The server counts the billable actions.
"""

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import uvicorn
from rich.console import Console
from rich.progress import track
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.client import Client, WorkflowHandle

from benchmarks.bare_worker import QUEUE, Order
from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementInput, Signer, TemplateSource
from countersign.agreements.names import DEFAULT_ACCOUNT, TASK_QUEUE, WORKFLOW_NAME
from countersign.connection import data_converter
from countersign.free_ports import free_port
from devstack.processes import Part, prints
from devstack.stack import Plan, Stack

ROOT: Final = Path(__file__).parents[1]
TEMPLATE: Final = "7e3a1c00-0000-4000-8000-000000000001"
VARIABLES: Final = {"CustomerName": "A", "CompanyName": "B", "Service": "C", "Price": "1", "StartDate": "now"}
AT_ONCE: Final = 16
WORKERS: Final = {"ours": "worker", "bare": "bare"}
_KINDS: Final = {"signed": "partially_signed"}
_TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Round:
    """The result of one round of one variant, per agreement."""

    per_second: float
    latencies: list[float]
    worker_cpu_ms: float
    server_cpu_ms: float
    actions: float
    events: int
    bytes: int


@dataclass
class Run:
    """A running agreement: its title and its workflow's handle."""

    handle: WorkflowHandle[Any, Any]
    sent: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Bench:
    """Starts agreements of both kinds, signs them, and forwards the sandbox's webhooks."""

    def __init__(self, stack: Stack, client: Client, bare: Client, *, signers: int) -> None:
        self.stack = stack
        self._clients = {"ours": client, "bare": bare}
        self._signers = signers
        self._runs: dict[str, Run] = {}

    async def receive(self, request: Request) -> Response:
        """Signal a webhook to the workflow in its title."""
        body = await request.json()
        reference = re.split(r"[ ~]", body["data"]["title"].rpartition("[")[2])[0]
        run = self._runs.get(reference)
        if run is not None:
            kind = body["event"].rpartition(".")[2]
            data = body["data"]
            event = {
                "event_id": body["event_id"],
                "kind": _KINDS.get(kind, kind),
                "document_id": data["document_id"],
                "recipient_id": data.get("recipient_id"),
                "occurred_at": body["created_at"],
            }
            await run.handle.signal("signature_event", event)
            if kind == "sent":
                run.sent.set_result(data["document_id"])
        return Response(status_code=200)

    async def start(self, variant: str) -> Run:
        """Start one agreement."""
        reference = uuid.uuid4().hex[:12]
        people = [(f"Signer {n}", f"{reference}-{n}@example.com") for n in range(self._signers)]
        if variant == "ours":
            start, queue = WORKFLOW_NAME, TASK_QUEUE
            argument: Any = AgreementInput(
                reference=reference,
                title="A benchmark",
                source=TemplateSource(template_id=TEMPLATE, variables=VARIABLES),
                signers=tuple(Signer(name=name, email=email) for name, email in people),
                deadline=datetime.now(UTC) + timedelta(days=30),
            )
        else:
            start, queue = "BareAgreement", QUEUE
            signers = [{"name": name, "email": email} for name, email in people]
            argument = Order(f"[{reference}", TEMPLATE, VARIABLES, signers)
        handle: WorkflowHandle[Any, Any] = await self._clients[variant].start_workflow(
            start,
            argument,
            id=f"agreement-{reference}",
            task_queue=queue,
            search_attributes=search_attributes.at_start(DEFAULT_ACCOUNT, argument.deadline)
            if variant == "ours"
            else None,
        )
        self._runs[reference] = run = Run(handle)
        return run

    async def complete(self, variant: str) -> float:
        """Run one agreement; returns the seconds from the last signature to the result."""
        run = await self.start(variant)
        document_id = await asyncio.wait_for(run.sent, 120)
        document = await self.stack.sandbox.call("GET", f"/_sandbox/documents/{document_id}")
        for recipient in document["recipients"]:
            await self.stack.sandbox.view(document_id, recipient["id"])
            await self.stack.sandbox.sign(document_id, recipient["id"])
        signed = time.perf_counter()
        await run.handle.result()
        return time.perf_counter() - signed

    async def round(self, variant: str, agreements: int) -> Round:
        """Run agreements with a limit of parallel ones, and return their cost."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def run_one() -> float:
            async with limit:
                return await self.complete(variant)

        before = self._costs(variant)
        began = time.perf_counter()
        latencies = await asyncio.gather(*(run_one() for _ in range(agreements)))
        seconds = time.perf_counter() - began
        worker, server, actions = (now - then for now, then in zip(self._costs(variant), before, strict=True))
        last = await list(self._runs.values())[-1].handle.describe()
        return Round(
            per_second=agreements / seconds,
            latencies=latencies,
            worker_cpu_ms=1000 * worker / agreements,
            server_cpu_ms=1000 * server / agreements,
            actions=actions / agreements,
            events=last.history_length,
            bytes=last.raw_description.workflow_execution_info.history_size_bytes,
        )

    def _costs(self, variant: str) -> tuple[float, float, float]:
        supervisor = self.stack.supervisor
        worker, server = supervisor.pid(WORKERS[variant]), supervisor.pid("temporal")
        return _cpu_seconds(worker), _cpu_seconds(server), billable_actions(self.stack.ports.metrics)

    async def memory(self, variant: str, waiting: int) -> float:
        """Let agreements wait; returns the growth of the worker's memory in MB."""
        pid = self.stack.supervisor.pid(WORKERS[variant])
        before = _resident_mb(pid)
        limit = asyncio.Semaphore(AT_ONCE)

        async def start_one() -> None:
            async with limit:
                await asyncio.wait_for((await self.start(variant)).sent, 300)

        await asyncio.gather(*(start_one() for _ in range(waiting)))
        return _resident_mb(pid) - before


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def billable_actions(port: int) -> float:
    """Return the server's count of the actions that Temporal Cloud would bill."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(r"^action\{[^}]*\} ([\d.e+]+)$", text, re.MULTILINE))


@asynccontextmanager
async def _receiving(app: Starlette, port: int) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _median(rounds: Sequence[Round], value: Callable[[Round], float]) -> float:
    return statistics.median(value(run) for run in rounds)


_ROWS: Final[tuple[tuple[str, Callable[[Round], float]], ...]] = (
    ("agreements per second", lambda run: run.per_second),
    ("last signature to archived, median ms", lambda run: 1000 * statistics.median(run.latencies)),
    ("the same, p99 ms", lambda run: 1000 * sorted(run.latencies)[int(len(run.latencies) * 0.99)]),
    ("worker CPU, ms per agreement", lambda run: run.worker_cpu_ms),
    ("Temporal server CPU, ms per agreement", lambda run: run.server_cpu_ms),
    ("billable actions per agreement", lambda run: run.actions),
    ("history events", lambda run: run.events),
    ("history bytes", lambda run: run.bytes),
)


def _show(out: Console, rounds: dict[str, list[Round]], title: str) -> None:
    table = Table("", "ours", "bare", "ratio", title=title)
    for name, value in _ROWS:
        ours, bare = (_median(rounds[variant], value) for variant in ("ours", "bare"))
        ratio = statistics.median(
            value(run) / value(bare_run) for run, bare_run in zip(rounds["ours"], rounds["bare"], strict=True)
        )
        table.add_row(name, f"{ours:.1f}", f"{bare:.1f}", f"{ratio:.2f}")
    out.print(table)


async def main(options: argparse.Namespace) -> None:
    """Run the rounds and print the tables."""
    out = Console()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            folder=Path(folder),
            worker=[sys.executable, str(ROOT / "worker.py")],
            worker_ready=prints("worker ready"),
            search_attributes=search_attributes.TYPES,
            parts=("temporal", "sandbox", "worker"),
        )
        async with Stack(plan) as stack:
            await _with_floor(stack, Path(folder), options, out)


async def _with_floor(stack: Stack, folder: Path, options: argparse.Namespace, out: Console) -> None:
    command = [sys.executable, "-m", "benchmarks.bare_worker"]
    env = {**stack.env, "BARE_STORE": str(folder / "bare"), "PYTHONPATH": str(ROOT)}
    await stack.supervisor.start(Part("bare", command, prints("worker ready"), env, folder))
    client = await Client.connect(stack.temporal_address, data_converter=data_converter())
    bench = Bench(stack, client, await Client.connect(stack.temporal_address), signers=options.signers)
    port = free_port()
    async with _receiving(Starlette(routes=[Route("/", bench.receive, methods=["POST"])]), port):
        await stack.sandbox.subscribe(f"http://127.0.0.1:{port}/")
        await _measure(bench, options, out)


async def _measure(bench: Bench, options: argparse.Namespace, out: Console) -> None:
    rounds: dict[str, list[Round]] = {variant: [] for variant in WORKERS}
    for variant in WORKERS:  # not measured: imports, connections and caches
        await bench.round(variant, 4)
    for _ in track(range(options.rounds), "rounds", console=out):
        for variant in WORKERS:
            rounds[variant].append(await bench.round(variant, options.agreements))
    _show(out, rounds, f"{options.signers} signer(s), a deadline, {AT_ONCE} agreements at once")
    if options.waiting:
        grown = {variant: await bench.memory(variant, options.waiting) for variant in WORKERS}
        out.print(
            f"{options.waiting} waiting agreements: worker memory +{grown['ours']:.0f} MB ours, "
            f"+{grown['bare']:.0f} MB bare, ratio {grown['ours'] / grown['bare']:.2f}"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreements", description=__doc__)
    parser.add_argument("--agreements", type=int, default=60, help="per round and variant")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--signers", type=int, default=1)
    parser.add_argument("--waiting", type=int, default=1000, help="for the worker's memory; 0 leaves it out")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(_options()))
