"""Measure starts over the HTTP API against bare starts.

    python -m benchmarks.api [--starts 200] [--rounds 10] [--burst 2000]

In every round, in turn, 50 in parallel, on one Temporal server without a worker:

    starts         bare `client.start_workflow` with the input, summary and search attributes of an agreement
    API            `POST /v1/agreements`
    starts again   the control: what its ratio differs from 1 by is noise

CPU is that of all processes: Temporal, the API, and this one, which sends. Ratios are to the bare starts of
the same round; the table shows medians of rounds. Then comes a burst, during which Temporal is killed and
restarted; every start must be a 202 or a 503, and the same request again must make none a second time.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from benchmarks.webhooks import Caller, Measured, Step, measure, over, row
from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementInput
from countersign.agreements.names import DEFAULT_ACCOUNT, WORKFLOW_NAME
from countersign.api.tokens import FileTokens, Scope, new_token
from countersign.connection import data_converter
from countersign.free_ports import free_port
from devstack.processes import Part, Supervisor, prints, responds
from devstack.temporal import READY, dev_server_command, find_temporal

ROOT: Final = Path(__file__).parents[1]
AT_ONCE: Final = 50
LANES: Final = 100
"""Connections of the burst."""
OUTAGE: Final = 15
"""Seconds without Temporal: longer than a start waits for it, so that some starts fail."""
_TRIES: Final = 60


@dataclass(frozen=True)
class Bench:
    """Temporal and the API, and load for them.

    Args:
        client: Connected to Temporal.
        supervisor: Of both.
        port: The API's.
        token: One that may start.
        callers: Connections to close at the end.
    """

    client: Client
    supervisor: Supervisor
    port: int
    token: str
    callers: list[Caller] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        """The process ids whose CPU counts."""
        return [self.supervisor.pid("temporal"), self.supervisor.pid("api"), os.getpid()]

    def starts(self, references: Iterable[str]) -> list[Step]:
        """Start bare workflows."""
        return [self._start(reference) for reference in references]

    def _start(self, reference: str) -> Step:
        agreement = AgreementInput.model_validate(draft(reference))

        async def step() -> int:
            await self.client.start_workflow(
                WORKFLOW_NAME,
                agreement,
                id=f"agreement-{reference}",
                task_queue="no-worker",
                static_summary=agreement.title,
                search_attributes=search_attributes.at_start(DEFAULT_ACCOUNT, None),
            )
            return int(HTTPStatus.ACCEPTED)

        return step

    def requests(self, references: Iterable[str], *, callers: int = AT_ONCE) -> list[Step]:
        """Start agreements over open connections."""
        idle = asyncio.Queue[Caller]()
        for _ in range(callers):
            caller = Caller(self.port)
            self.callers.append(caller)
            idle.put_nowait(caller)
        return [over(idle, self._request(reference)) for reference in references]

    def _request(self, reference: str) -> bytes:
        body = json.dumps(draft(reference)).encode()
        return (
            f"POST /v1/agreements HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def draft(reference: str) -> dict[str, Any]:
    """Return a start."""
    return {
        "reference": reference,
        "title": "A benchmark",
        "source": {"kind": "template", "template_id": "any", "variables": {"CustomerName": "Example Ltd"}},
        "signers": [{"name": "Ada Example", "email": "ada@example.com"}],
    }


def references(count: int) -> list[str]:
    """Make references."""
    return [f"b-{uuid.uuid4().hex[:12]}" for _ in range(count)]


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start Temporal with a file, and the API, as processes."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        temporal, port = free_port(), free_port()
        command = dev_server_command(
            await find_temporal(folder),
            port=temporal,
            ui_port=free_port(),
            metrics_port=free_port(),
            database=folder / "temporal.db",
            search_attributes=search_attributes.TYPES,
        )
        token, record = new_token("bench", (Scope.START,), expires_at=datetime.now(UTC) + timedelta(days=1))
        await FileTokens(folder / "tokens.json").add(record)
        env = {
            "PATH": "/usr/bin:/bin",
            "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
            "COUNTERSIGN_TASK_QUEUE": "no-worker",
            "COUNTERSIGN_STORE": str(folder / "store"),
            "COUNTERSIGN_API_TOKENS": str(folder / "tokens.json"),
            "COUNTERSIGN_API_REQUESTS_PER_SECOND": "10000",
        }
        api = [sys.executable, "-m", "api", "--port", str(port)]
        async with Supervisor(folder) as supervisor:
            await supervisor.start(Part("temporal", command, prints(READY), env, folder))
            await supervisor.start(Part("api", api, responds(f"http://127.0.0.1:{port}/readyz"), env, ROOT))
            client = await Client.connect(f"127.0.0.1:{temporal}", data_converter=data_converter())
            here = Bench(client, supervisor, port, token.get_secret_value())
            yield here
            for caller in here.callers:
                caller.close()


async def compare(here: Bench, *, starts: int, rounds: int) -> dict[str, list[Measured]]:
    """Measure all in turn."""
    variants: dict[str, Callable[[list[str]], list[Step]]] = {
        "starts": here.starts,
        "API": here.requests,
        "starts again": here.starts,
    }
    for steps in variants.values():
        await measure(steps(references(starts)))  # connections, caches
    found: dict[str, list[Measured]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, steps in variants.items():
            found[name].append(await measure(steps(references(starts)), pids=here.pids))
            assert set(found[name][-1].statuses) == {HTTPStatus.ACCEPTED}, found[name][-1].statuses
    return found


@dataclass(frozen=True)
class Burst:
    """What became of a burst.

    Args:
        statuses: Of the first requests.
        again: Of the repetitions of those that were no 202, the last ones.
        runs: Executions of each start after the first requests and at the end.
    """

    statuses: dict[str, int]
    again: Counter[int]
    runs: tuple[Counter[str], Counter[str]]


async def burst(here: Bench, count: int) -> Burst:
    """Start many while Temporal is killed and restarted; then repeat what was not accepted."""
    names, statuses = references(count), dict[str, int]()
    accepted = asyncio.Event()

    def note(name: str, status: int) -> None:
        statuses[name] = status
        if Counter(statuses.values())[HTTPStatus.ACCEPTED] >= count // 5:
            accepted.set()

    async def outage() -> None:
        await accepted.wait()
        here.supervisor.kill("temporal")
        await asyncio.sleep(OUTAGE)
        await here.supervisor.restart("temporal")

    await asyncio.gather(_send(here, names, note), outage())
    first = await _runs(here, [name for name in names if statuses[name] == HTTPStatus.ACCEPTED])
    again = {name: status for name, status in statuses.items() if status != HTTPStatus.ACCEPTED}
    for _ in range(_TRIES):
        left = [name for name, status in again.items() if status != HTTPStatus.ACCEPTED]
        if not left:
            break
        await _send(here, left, again.__setitem__)
    return Burst(statuses, Counter(again.values()), (first, await _runs(here, names)))


async def _send(here: Bench, names: Sequence[str], note: Callable[[str, int], None]) -> None:
    def noted(name: str, send: Step) -> Step:
        async def step() -> int:
            status = await send()
            note(name, status)
            return status

        return step

    sends = here.requests(names, callers=LANES)
    await measure([noted(*pair) for pair in zip(names, sends, strict=True)], lanes=LANES)


async def _runs(here: Bench, names: Sequence[str]) -> Counter[str]:
    """Count the executions of each start; the list is eventually consistent."""
    found = Counter[str]()
    for _ in range(_TRIES):
        ids = [
            workflow.id async for workflow in here.client.list_workflows(f'WorkflowType = "{WORKFLOW_NAME}"')
        ]
        found = Counter(name.removeprefix("agreement-") for name in ids)
        if all(found[name] for name in names):
            break
        await asyncio.sleep(1)
    return Counter({name: found[name] for name in names})


async def run(options: argparse.Namespace) -> None:
    """Run everything."""
    async with bench() as here:
        if options.rounds:
            found = await compare(here, starts=options.starts, rounds=options.rounds)
            print("| what | per second | to starts | CPU ms each | to starts | p50 ms | p99 ms |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            for name, runs in found.items():
                print(f"| {name} | {row(runs, found['starts'])} |")
        if options.burst:
            done = await burst(here, options.burst)
            print(
                f"\nburst of {options.burst}: {dict(Counter(done.statuses.values()))}, "
                f"repeated: {dict(done.again)}, executions of each: {dict(Counter(done.runs[1].values()))}"
            )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--starts", type=int, default=200, help="per measurement (default 200)")
    parser.add_argument("--rounds", type=int, default=10, help="measurements per variant (default 10)")
    parser.add_argument("--burst", type=int, default=2000, help="starts in the burst (default 2000)")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
