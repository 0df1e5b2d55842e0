"""Measure the webhook receiver against its lower bounds.

    python -m benchmarks.webhooks [--deliveries 300] [--rounds 20] [--burst 2000] [--cores 0.5]
        [--refusals 100000]

In every round, in turn, 50 in parallel, on one Temporal server without a worker:

    signals         bare `client.get_workflow_handle(...).signal(...)` in a loop
    receiver        signed deliveries, one signal per delivery
    signals again   the control: what its ratio differs from 1 by is noise
    idle            the receiver's server and protocol, returning 200 without work

CPU is that of all processes: Temporal, the receiver or the idle server, and this one, which sends. Ratios are
to the signals of the same round, less is better for CPU; the table shows medians of rounds. Short rounds
meet the same load of other processes. Then come a burst of parallel deliveries, and rejected requests with a
measurement of the receiver's memory. All processes run on the receiver's event loop, uvloop, and on loopback.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Final, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client

from benchmarks.measurement import cpu_seconds
from countersign import entry
from countersign.agreements import reference, search_attributes
from countersign.agreements.events import SignatureEvent
from countersign.connection import data_converter
from countersign.free_ports import free_port
from countersign.http_server.server import Server
from devstack.processes import Part, Supervisor, prints, responds
from devstack.temporal import READY, dev_server_command, find_temporal
from tests.chaos.chaos_starve import starve

ROOT: Final = Path(__file__).parents[1]
SECRET: Final = "whsec_benchmark-0123456789abcdef"  # noqa: S105  # not a real secret
AT_ONCE: Final = 50
WORKFLOWS: Final = 100
"""Temporal serializes the signals of one workflow, so the load uses many."""

Step = Callable[[], Awaitable[int]]


class Measured(NamedTuple):
    """A measurement: operations per second, their durations in seconds, sorted, and CPU ms of each."""

    per_second: float
    seconds: list[float]
    statuses: Counter[int]
    cpu_ms: float

    def quantile(self, share: float) -> float:
        """Return the duration in milliseconds of the slowest operation in a share of the fastest."""
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))] * 1000


class Caller:
    """A connection that sends prepared requests, with minimal work."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> int:
        """Send a request and return the status of the response; 0 without one."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (ConnectionError, asyncio.IncompleteReadError):
            self._streams = None
            return 0
        if b"connection: close" in head.lower():
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def delivery(title: str, *, secret: str = SECRET) -> bytes:
    """Build a signed request like the provider's."""
    body = json.dumps(
        {
            "event": "signature.document.viewed",
            "event_id": f"evt_{uuid.uuid4().hex}",
            "created_at": "2026-01-31T12:00:00.000Z",
            "version": "1.0",
            "data": {
                "document_id": str(uuid.uuid4()),
                "title": title,
                "recipient_id": str(uuid.uuid4()),
                "recipient_email": "signer@example.com",
                "viewed_at": "2026-01-31T12:00:00.000Z",
            },
        },
        separators=(",", ":"),
    ).encode()
    now = str(int(time.time()))
    signature = hmac.new(secret.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
    return (
        f"POST /webhooks/turbodocx HTTP/1.1\r\nHost: receiver\r\nContent-Type: application/json\r\n"
        f"X-TurboDocx-Signature: sha256={signature}\r\nX-TurboDocx-Timestamp: {now}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def measure(steps: Sequence[Step], *, lanes: int = AT_ONCE, pids: Sequence[int] = ()) -> Measured:
    """Run all steps with a limit of parallel ones, and measure the CPU of some processes."""
    todo = iter(steps)
    seconds: list[float] = []
    statuses: Counter[int] = Counter()

    async def lane() -> None:
        for step in todo:
            started = time.perf_counter()
            statuses[await step()] += 1
            seconds.append(time.perf_counter() - started)

    cpu, started = sum(map(cpu_seconds, pids)), time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(lanes)))
    took = time.perf_counter() - started
    spent = sum(map(cpu_seconds, pids)) - cpu
    return Measured(len(steps) / took, sorted(seconds), statuses, 1000 * spent / len(steps))


class Bench:
    """The running servers, and load for them.

    Args:
        client: Connected to the Temporal server.
        names: The references of the workflows.
        ports: The ports of the receiver and of the idle server.
        pids: The process ids of these two, of Temporal and of this process.
    """

    def __init__(
        self, client: Client, names: Sequence[str], ports: dict[str, int], pids: dict[str, int]
    ) -> None:
        self._client = client
        self._names = names
        self.ports = ports
        self.pids = pids
        self.receiver_pid = pids["receiver"]

    def signals(self, count: int) -> list[Step]:
        """Send signals with the same event."""
        return [self._signal(name) for name in islice(cycle(self._names), count)]

    def _signal(self, name: str) -> Step:
        event = SignatureEvent(
            event_id=f"evt_{uuid.uuid4().hex}",
            kind="viewed",
            provider="turbodocx",
            document_id=str(uuid.uuid4()),
            recipient_id=str(uuid.uuid4()),
            occurred_at="2026-01-31T12:00:00.000Z",
            received_at="2026-01-31T12:00:00.000+00:00",
        )
        handle = self._client.get_workflow_handle(reference.workflow_id(name))

        async def step() -> int:
            await handle.signal("signature_event", event)
            return 200

        return step

    def requests(
        self, server: str, *, count: int, secret: str = SECRET, callers: int = AT_ONCE
    ) -> list[Step]:
        """Send prepared requests over open connections."""
        idle = asyncio.Queue[Caller]()
        for _ in range(callers):
            idle.put_nowait(Caller(self.ports[server]))
        titles = cycle([self._title(name) for name in self._names])
        return [over(idle, delivery(title, secret=secret)) for title in islice(titles, count)]

    def _title(self, name: str) -> str:
        mark = reference.marker(environment="development", namespace=self._client.namespace, reference=name)
        return f"Statement of Work {mark}"


def over(idle: "asyncio.Queue[Caller]", request: bytes) -> Step:
    """Send a request over an idle connection."""

    async def step() -> int:
        caller = await idle.get()
        status = await caller.send(request)
        idle.put_nowait(caller)
        return status

    return step


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start Temporal with a file, the idle server and the receiver, as processes."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        temporal, receiver, idle = (free_port() for _ in range(3))
        command = dev_server_command(
            await find_temporal(folder),
            port=temporal,
            ui_port=free_port(),
            metrics_port=free_port(),
            database=folder / "temporal.db",
            search_attributes=search_attributes.TYPES,
        )
        env = {
            "PATH": "/usr/bin:/bin",
            "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
            "TURBODOCX_WEBHOOK_SECRET": SECRET,
        }
        serve = [sys.executable, "-m", "benchmarks.webhooks", "--serve", str(idle)]
        listen = [sys.executable, "-m", "receiver", "--port"]
        async with Supervisor(folder) as supervisor:
            await supervisor.start(Part("temporal", command, prints(READY), env, folder))
            await supervisor.start(Part("idle", serve, responds(f"http://127.0.0.1:{idle}/"), env, ROOT))
            ready = responds(f"http://127.0.0.1:{receiver}/readyz")
            await supervisor.start(Part("receiver", [*listen, str(receiver)], ready, env, ROOT))
            client = await Client.connect(f"127.0.0.1:{temporal}", data_converter=data_converter())
            names = [reference.new_reference() for _ in range(WORKFLOWS)]
            for name in names:
                await client.start_workflow(
                    "NoWorkflow", id=reference.workflow_id(name), task_queue="no-worker"
                )
            pids = {name: supervisor.pid(name) for name in ("temporal", "receiver", "idle")}
            yield Bench(client, names, {"receiver": receiver, "idle": idle}, {**pids, "this": os.getpid()})


async def serve_idle(port: int) -> int:
    """Return 200 to all complete requests."""

    async def ok(request: Request) -> Response:
        await request.body()
        return PlainTextResponse("accepted\n")

    app = Starlette(routes=[Route("/{path:path}", ok, methods=["GET", "POST"])])
    await Server(app, host="127.0.0.1", port=port, connection_limit=5000).serve()
    return 0


async def compare(here: Bench, *, deliveries: int, rounds: int) -> None:
    """Measure all in turn and print medians."""
    variants: dict[str, Callable[[int], list[Step]]] = {
        "signals": here.signals,
        "receiver": lambda count: here.requests("receiver", count=count),
        "signals again": here.signals,
        "idle": lambda count: here.requests("idle", count=count),
    }
    for steps in variants.values():
        await measure(steps(deliveries))  # connections, caches
    found: dict[str, list[Measured]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, steps in variants.items():
            found[name].append(await measure(steps(deliveries), pids=list(here.pids.values())))
            assert set(found[name][-1].statuses) == {200}
    print("| what | per second | to signals | CPU ms each | to signals | p50 ms | p99 ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, runs in found.items():
        print(f"| {name} | {row(runs, found['signals'])} |")


def row(runs: Sequence[Measured], signals: Sequence[Measured]) -> str:
    """Return the cells of a table: medians, and ratios to the bare runs of the same rounds."""

    def cell(value: Callable[[Measured], float], digits: int) -> str:
        return f"{statistics.median(value(run) for run in runs):.{digits}f}"

    def ratio(value: Callable[[Measured], float]) -> str:
        pairs = zip(runs, signals, strict=True)
        return f"{statistics.median(value(run) / value(bare) for run, bare in pairs):.2f}"

    cells = (
        cell(lambda run: run.per_second, 0),
        ratio(lambda run: run.per_second),
        cell(lambda run: run.cpu_ms, 2),
        ratio(lambda run: run.cpu_ms),
        cell(lambda run: run.quantile(0.5), 0),
        cell(lambda run: run.quantile(0.99), 0),
    )
    return " | ".join(cells)


async def burst(here: Bench, count: int) -> None:
    """Send parallel deliveries, one per connection."""
    done = await measure(here.requests("receiver", count=count, callers=count), lanes=count)
    print(
        f"\nburst of {count} at once: answered {dict(done.statuses)}, "
        f"p50 {done.quantile(0.5):.0f} ms, p99 {done.quantile(0.99):.0f} ms, last {done.quantile(1):.0f} ms"
    )


async def refuse(here: Bench, count: int) -> None:
    """Send requests with wrong signatures and print the growth of the receiver's memory."""
    print("\n| refused | receiver's memory, MB | refused per second |\n| --- | --- | --- |")
    batch = count // 10
    for number in range(11):
        speed = "" if number == 0 else f"{await _refuse(here, batch):.0f}"
        print(f"| {number * batch} | {_memory(here.receiver_pid):.1f} | {speed} |")


async def _refuse(here: Bench, count: int) -> float:
    forged = delivery("Somebody else's", secret="another")  # noqa: S106  # a wrong secret
    idle = asyncio.Queue[Caller]()
    for _ in range(AT_ONCE):
        idle.put_nowait(Caller(here.ports["receiver"]))
    done = await measure([over(idle, forged)] * count)
    assert set(done.statuses) == {401}
    while not idle.empty():
        idle.get_nowait().close()
    return done.per_second


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def run(options: argparse.Namespace) -> int:
    """Run everything; returns the exit code."""
    async with bench() as here:
        await compare(here, deliveries=options.deliveries, rounds=options.rounds)
        if options.burst:
            if options.cores:
                starve(options.cores, here.receiver_pid)
            await burst(here, options.burst)
        if options.refusals:
            await refuse(here, options.refusals)
    return 0


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=300, help="per measurement (default 300)")
    parser.add_argument("--rounds", type=int, default=20, help="measurements per variant (default 20)")
    parser.add_argument("--burst", type=int, default=2000, help="deliveries at once (default 2000)")
    parser.add_argument("--cores", type=float, help="processor cores of the receiver during the burst")
    parser.add_argument("--refusals", type=int, default=100_000, help="refused requests (default 100000)")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    return entry.run(run(options) if options.serve is None else serve_idle(options.serve), serves=True)


if __name__ == "__main__":
    raise SystemExit(main())
