"""Show a cached workflow run that a query has moved ahead of its workflow task.

Plain workflow, plain workers, the dev server. Needs `temporalio` and the Temporal CLI, nothing else:

    python reproduce.py --temporal path/to/temporal --rounds 3

Each round kills the worker that holds the run, queries the run, and signals it once before and once after the
query is answered. Exit code 0: every history replays; 1: one does not.
"""

import argparse
import asyncio
import contextlib
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

TASK_QUEUE = "query-ahead"


@workflow.defn
class Counting:
    """Start as many timers as there were signals when the first workflow task saw any."""

    def __init__(self) -> None:
        self.signals = 0

    @workflow.run
    async def run(self) -> int:
        """Return how many signals the first task with a signal saw."""
        await workflow.wait_condition(lambda: self.signals > 0)
        seen = self.signals
        for _ in range(seen):
            await workflow.sleep(0.1)
        return seen

    @workflow.signal
    def news(self) -> None:
        """Count a signal."""
        self.signals += 1

    @workflow.query
    def count(self) -> int:
        """Return the number of signals."""
        return self.signals


async def work(options: argparse.Namespace) -> None:
    """Run one worker until it is killed."""
    worker = Worker(
        await Client.connect(options.worker),
        task_queue=TASK_QUEUE,
        workflows=[Counting],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=options.cached,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=options.sticky),
    )
    async with worker:
        print("ready", flush=True)
        await asyncio.Event().wait()


def spawn(address: str, options: argparse.Namespace) -> subprocess.Popen[str]:
    """Start a worker process and wait until it polls."""
    process = subprocess.Popen(
        [
            *(sys.executable, options.script),
            *("--worker", address, "--cached", str(options.cached), "--sticky", str(options.sticky)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise RuntimeError("the worker did not start")
    return process


def stop(process: subprocess.Popen[str]) -> None:
    """Kill a worker process."""
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


async def query(handle: WorkflowHandle[Counting, int]) -> str:
    """Query until the server answers or gives up; return what came of it."""
    try:
        return f"counted {await handle.query(Counting.count, rpc_timeout=timedelta(seconds=30))}"
    except Exception as error:  # noqa: BLE001  # what a query can fail with is part of the report
        return f"failed: {error}"


async def one_round(client: Client, address: str, options: argparse.Namespace, server: int | None) -> str:
    """Lose the worker, query, signal around the query; return what the replay of the history says."""
    first = spawn(address, options)
    handle = await client.start_workflow(Counting.run, id=f"round-{uuid.uuid4()}", task_queue=TASK_QUEUE)
    await handle.query(Counting.count)  # the first worker has the run in its cache now
    stop(first)
    second = spawn(address, options)
    try:
        started = time.monotonic()
        asked = asyncio.create_task(query(handle)) if options.queries else None
        await asyncio.sleep(options.sticky * 0.4)
        await handle.signal(Counting.news)
        if server is not None:
            await asyncio.sleep(options.sticky * 0.2)
            signal_process(server, signal.SIGSTOP)
            await asyncio.sleep(options.sticky * 0.2)
            signal_process(server, signal.SIGCONT)
        answer = await asked if asked else "not asked"
        answered = time.monotonic() - started
        with contextlib.suppress(Exception):  # the run may have ended before
            await handle.signal(Counting.news)
        await asyncio.wait_for(handle.result(), 60)
    finally:
        stop(second)
    history = await handle.fetch_history()
    replayer = Replayer(workflows=[Counting], workflow_runner=UnsandboxedWorkflowRunner())
    replayed = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    outcome = "differs" if replayed.replay_failure else "replays"
    print(f"query {answer} after {answered:.1f} s, {len(history.events)} events: the history {outcome}")
    return outcome


def signal_process(pid: int, number: signal.Signals) -> None:
    """Freeze or thaw the server."""
    subprocess.run(["kill", f"-{number.value}", str(pid)], check=True)


async def run(options: argparse.Namespace) -> int:
    """Run all rounds against one dev server."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=options.temporal, dev_server_extra_args=["--log-level", "error"]
    )
    outcomes: Counter[str] = Counter()
    async with environment:
        client = environment.client
        address = client.service_client.config.target_host
        server = server_pid(address) if options.freeze_server else None
        for _ in range(options.rounds):
            outcomes[await one_round(client, address, options, server)] += 1
    print(f"{outcomes['differs']} of {options.rounds} histories do not replay")
    return 1 if outcomes["differs"] else 0


def server_pid(address: str) -> int:
    """Find the dev server by the port that it was started with."""
    found = subprocess.run(
        ["pgrep", "-f", f"server start-dev.*{address.rsplit(':', 1)[1]}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(found.stdout.split()[0])


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Show a cached run that a query moved ahead of its task.")
    parser.add_argument("--temporal", help="path to the Temporal CLI; downloaded if it is not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-queries", dest="queries", action="store_false", help="control: do not query")
    parser.add_argument("--cached", type=int, default=1000, help="max_cached_workflows")
    parser.add_argument("--sticky", type=float, default=5, help="sticky schedule-to-start time-out, seconds")
    parser.add_argument("--freeze-server", action="store_true", help="freeze the server after the signal")
    parser.add_argument("--worker", metavar="ADDRESS", help=argparse.SUPPRESS)
    parser.add_argument("--script", default=str(Path(__file__).resolve()), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> int:
    """Run a worker or all rounds; return the exit code."""
    options = read_options()
    if options.worker:
        asyncio.run(work(options))
        return 0
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
