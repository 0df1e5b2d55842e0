"""Measure the cost of an agreement against plain Temporal workflows with the same calls.

    python -m benchmarks.agreements [--agreements 60] [--rounds 5] [--seconds S] [--lone 15]

`benchmarks/floor.py` says what the two floors are. Countersign and the floors run on one Temporal server and
one sandbox, with a worker process each, and take turns; the order rotates from round to round. Countersign
runs twice per round: what the ratio of the two runs differs from 1 by is noise. This process receives the
sandbox's webhooks and signals the workflows; benchmarks/webhooks.py measures the receiver. Ratios are within
a round; the tables show medians of rounds. The server counts the billable actions. An agreement that fails or
does not proceed for a minute is counted as lost and left out of the other figures.

After the rounds, single agreements run alone, in turn: the latency that a person sees.
"""

import argparse
import asyncio
import math
import re
import statistics
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.client import Client, WorkflowHandle

from benchmarks import floor
from benchmarks.measurement import cpu_seconds, decimals, progress, ratio, show, show_table
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
OURS: Final = "Countersign"
CONTROL: Final = "the same again"
TUNED: Final = "tuned floor"
ONE_SIGNAL: Final = "one-signal floor"
WORKERS: Final = {OURS: "worker", CONTROL: "worker", TUNED: floor.TUNED, ONE_SIGNAL: floor.ONE_SIGNAL}
"""The variants, and the processes that run them."""
_KINDS: Final = {"signed": "partially_signed"}
_DESCRIBED: Final = 10
"""Agreements of a round that the sizes of histories are taken from."""
_METRICS_SECONDS: Final = 2.0
"""The server's counts of actions are about a second late."""
_PATIENCE: Final = 60.0
"""Seconds for an agreement to be sent, and to end after its last signature."""


@dataclass
class Run:
    """A running agreement: its workflow's handle, its variant, and the document's id when it is sent."""

    handle: WorkflowHandle[Any, Any]
    variant: str
    began: float
    sent: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True)
class Latency:
    """Seconds of an agreement: from its start to sent, from the last signature to archived."""

    to_sent: float
    to_archived: float


@dataclass(frozen=True)
class Round:
    """The result of one round of one variant, per completed agreement."""

    per_second: float
    latencies: Sequence[Latency]
    worker_cpu_ms: float
    server_cpu_ms: float
    actions: float
    events: float
    bytes: float


class LostRoundError(Exception):
    """No agreement of a round was completed."""


class Bench:
    """Starts agreements of all variants, signs them, and forwards the sandbox's webhooks.

    Args:
        stack: The running stack, with the floors' workers.
        client: A connection for agreements.
        plain: A connection for the floors: the SDK's default converter.
        signers: The number of signers.
    """

    def __init__(self, stack: Stack, client: Client, plain: Client, *, signers: int) -> None:
        self.stack = stack
        self.lost: Mapping[str, Counter[str]] = {variant: Counter() for variant in WORKERS}
        self._client, self._plain = client, plain
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
                "occurred_at": body["created_at"],
            }
            if recipient_id := data.get("recipient_id"):  # the receiver leaves out what is not known, too
                event["recipient_id"] = recipient_id
            if run.variant != ONE_SIGNAL or kind == "completed":
                await run.handle.signal("signature_event", event)
            if kind == "sent" and not run.sent.done():
                run.sent.set_result(data["document_id"])
        return Response(status_code=200)

    async def start(self, variant: str) -> Run:
        """Start one agreement."""
        reference = uuid.uuid4().hex[:12]
        people = [(f"Signer {n}", f"{reference}-{n}@example.com") for n in range(self._signers)]
        deadline = datetime.now(UTC) + timedelta(days=30)
        began = time.perf_counter()
        if variant in (OURS, CONTROL):
            handle: WorkflowHandle[Any, Any] = await self._client.start_workflow(
                WORKFLOW_NAME,
                AgreementInput(
                    reference=reference,
                    title="A benchmark",
                    source=TemplateSource(template_id=TEMPLATE, variables=VARIABLES),
                    signers=tuple(Signer(name=name, email=email) for name, email in people),
                    deadline=deadline,
                ),
                id=f"agreement-{reference}",
                task_queue=TASK_QUEUE,
                search_attributes=search_attributes.at_start(DEFAULT_ACCOUNT, deadline),
            )
        else:
            signers = [{"name": name, "email": email} for name, email in people]
            handle = await self._plain.start_workflow(
                "Floor",
                floor.Order(f"[{reference}", TEMPLATE, VARIABLES, signers),
                id=f"agreement-{reference}",
                task_queue=WORKERS[variant],
            )
        self._runs[reference] = run = Run(handle, variant, began)
        return run

    async def complete(self, variant: str) -> tuple[Run, Latency] | None:
        """Run one agreement; None if it is lost, which is counted."""
        run = await self.start(variant)
        try:
            async with asyncio.timeout(_PATIENCE):
                document_id = await run.sent
            sent = time.perf_counter()
            for recipient_id in await self.stack.sandbox.recipient_ids(document_id):
                await self.stack.sandbox.view(document_id, recipient_id)
                await self.stack.sandbox.sign(document_id, recipient_id)
            signed = time.perf_counter()
            async with asyncio.timeout(_PATIENCE):
                await run.handle.result()
        except Exception as error:  # noqa: BLE001  # any reason; it is printed
            self.lost[variant][type(error).__name__] += 1
            with suppress(Exception):
                await run.handle.terminate("lost in a benchmark")
            return None
        return run, Latency(sent - run.began, time.perf_counter() - signed)

    async def round(self, variant: str, agreements: int) -> Round:
        """Run agreements with a limit of parallel ones, and return their cost.

        Raises:
            LostRoundError: None was completed.
        """
        limit = asyncio.Semaphore(AT_ONCE)
        ended = began = time.perf_counter()

        async def run_one() -> tuple[Run, Latency] | None:
            nonlocal ended
            async with limit:
                done = await self.complete(variant)
            if done is not None:
                ended = time.perf_counter()
            return done

        actions, before = billable_actions(self.stack.ports.metrics), self._cpu(variant)
        runs = [done for done in await asyncio.gather(*(run_one() for _ in range(agreements))) if done]
        worker, server = (now - then for now, then in zip(self._cpu(variant), before, strict=True))
        await asyncio.sleep(_METRICS_SECONDS)
        actions = billable_actions(self.stack.ports.metrics) - actions
        if not runs:
            raise LostRoundError(f"{variant}: no agreement of {agreements} was completed")
        ends = [await run.handle.describe() for run, _ in runs[-_DESCRIBED:]]
        return Round(
            per_second=len(runs) / (ended - began),
            latencies=[latency for _, latency in runs],
            worker_cpu_ms=1000 * worker / len(runs),
            server_cpu_ms=1000 * server / len(runs),
            actions=actions / len(runs),
            events=statistics.mean(end.history_length for end in ends),
            bytes=statistics.mean(
                end.raw_description.workflow_execution_info.history_size_bytes for end in ends
            ),
        )

    def _cpu(self, variant: str) -> tuple[float, float]:
        supervisor = self.stack.supervisor
        return cpu_seconds(supervisor.pid(WORKERS[variant])), cpu_seconds(supervisor.pid("temporal"))


def billable_actions(port: int) -> float:
    """Return the server's count of the actions that Temporal Cloud would bill."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(r"^action\{[^}]*\} ([\d.e+]+)$", text, re.MULTILINE))


class _Server(uvicorn.Server):
    """Leaves the signals of the process to asyncio, so that an interrupted run prints what it has."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def _receiving(app: Starlette, port: int) -> AsyncIterator[None]:
    server = _Server(uvicorn.Config(app, port=port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


T = TypeVar("T")
Rows = Sequence[tuple[str, Callable[[T], float]]]
"""What a table shows: names, and how the value is read from a measurement."""

_ROWS: Final[Rows[Round]] = (
    ("agreements per second", lambda run: run.per_second),
    ("worker CPU, ms per agreement", lambda run: run.worker_cpu_ms),
    ("Temporal server CPU, ms per agreement", lambda run: run.server_cpu_ms),
    ("both together, ms per agreement", lambda run: run.worker_cpu_ms + run.server_cpu_ms),
    (
        "last signature to archived, median ms",
        lambda run: 1000 * statistics.median(one.to_archived for one in run.latencies),
    ),
    ("billable actions per agreement", lambda run: run.actions),
    ("history events", lambda run: run.events),
    ("history bytes", lambda run: run.bytes),
)
_LATENCIES: Final[Rows[Latency]] = (
    ("start to sent, median ms", lambda latency: 1000 * latency.to_sent),
    ("last signature to archived, median ms", lambda latency: 1000 * latency.to_archived),
)


def _show(title: str, rounds: Sequence[Mapping[str, T]], rows: Rows[T]) -> None:
    """Print medians of all variants, and ratios of Countersign to the others."""
    others = [variant for variant in WORKERS if variant != OURS]
    lines = []
    for name, value in rows:
        values = {variant: [value(found[variant]) for found in rounds] for variant in WORKERS}
        medians = [decimals(statistics.median(found)) for found in values.values()]
        ratios = [f"{ratio(values[OURS], values[other]):.2f}" for other in others]
        lines.append([name, *medians, *ratios])
    show(f"{title}:")
    show_table(["", *WORKERS, *(f"to {variant}" for variant in others)], lines)


async def main(options: argparse.Namespace) -> None:
    """Run the rounds and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            folder=Path(folder),
            worker=[sys.executable, str(ROOT / "worker.py")],
            worker_ready=prints("worker ready"),
            search_attributes=search_attributes.TYPES,
            parts=("temporal", "sandbox", "worker"),
        )
        async with Stack(plan) as stack:
            for queue in (floor.TUNED, floor.ONE_SIGNAL):
                command = [sys.executable, "-m", "benchmarks.floor", queue]
                env = {**stack.env, "FLOOR_STORE": str(Path(folder, queue)), "PYTHONPATH": str(ROOT)}
                await stack.supervisor.start(Part(queue, command, prints("worker ready"), env, stack.folder))
            client = await Client.connect(stack.temporal_address, data_converter=data_converter())
            plain = await Client.connect(stack.temporal_address)
            bench = Bench(stack, client, plain, signers=options.signers)
            port = free_port()
            async with _receiving(Starlette(routes=[Route("/", bench.receive, methods=["POST"])]), port):
                await stack.sandbox.subscribe(f"http://127.0.0.1:{port}/")
                await _measure(bench, options)


async def _measure(bench: Bench, options: argparse.Namespace) -> None:
    rounds: list[Mapping[str, Round]] = []
    alone: list[Mapping[str, Latency]] = []
    try:
        for variant in WORKERS:  # not measured: imports, connections and caches
            await bench.round(variant, AT_ONCE)
        began = time.monotonic()
        for number in range(options.rounds):
            if rounds and time.monotonic() - began > options.seconds:
                break
            progress(f"round {number + 1} of {options.rounds}")
            rounds.append({name: await bench.round(name, options.agreements) for name in _order(number)})
        progress("single agreements")
        for number in range(options.lone):
            done = {variant: await bench.complete(variant) for variant in _order(number)}
            if None not in done.values():
                alone.append({variant: one[1] for variant, one in done.items() if one})
    finally:
        _report(bench, rounds, alone, options)


def _order(number: int) -> Sequence[str]:
    """Rotate the order of the variants, so that none profits from its place."""
    variants = list(WORKERS)
    start = number % len(variants)
    return [*variants[start:], *variants[:start]]


def _report(
    bench: Bench,
    rounds: Sequence[Mapping[str, Round]],
    alone: Sequence[Mapping[str, Latency]],
    options: argparse.Namespace,
) -> None:
    if rounds:
        together = f"{AT_ONCE} at once, {len(rounds)} rounds of {options.agreements}"
        _show(f"{options.signers} signer(s), a deadline, {together}", rounds, _ROWS)
    if alone:
        _show(f"Alone, {len(alone)} agreements of each", alone, _LATENCIES)
    lost = [f"{name} {dict(why)}" for name, why in bench.lost.items() if why]
    show(f"Lost agreements: {', '.join(lost) or 'none'}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.agreements",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--agreements", type=int, default=60, help="per round and variant (default 60)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no further round after these")
    parser.add_argument("--lone", type=int, default=15, help="single agreements per variant (default 15)")
    parser.add_argument("--signers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(_options()))
