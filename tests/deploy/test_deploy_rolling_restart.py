"""Workers are replaced one by one while 200 agreements run: nothing is lost, nothing is done twice."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from cli.demo import example_agreement
from cli.stack import plan
from countersign.agreements.messages import AgreementResult, Outcome
from countersign.client.agreements import agreement_result, agreement_status
from countersign.client.start import start_agreement
from countersign.connection import connect
from devstack.ports import Ports
from devstack.processes import Part, prints
from devstack.stack import Stack
from tests.observability.watched import Watched

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(500)]

AGREEMENTS = 200
AT_ONCE = 25
PATIENCE = 180  # longer than a step that got lost takes to be tried again
WORKERS = ("worker-1", "worker-2")


def worker(stack: Stack, name: str, folder: Path) -> Part:
    """A worker as it is deployed: stopped by SIGTERM, with time to finish."""
    command = plan(folder, Ports.pick()).worker
    return Part(name, command, prints("worker ready"), stack.env, folder, start_seconds=60, stop_seconds=60)


@pytest_asyncio.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """A stack with two workers."""
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    planned = replace(plan(tmp_path, Ports.pick()), parts=("temporal", "sandbox", "receiver"), extra_env=env)
    async with Stack(planned) as stack:
        for name in WORKERS:
            await stack.supervisor.start(worker(stack, name, tmp_path))
        yield Watched(stack, await connect(environment=stack.env), worker="", receiver="")


async def replace_workers(watched: Watched, folder: Path, done: list[AgreementResult]) -> None:
    """Replace each worker twice, one after the other, spread over the agreements' lives."""
    supervisor = watched.stack.supervisor
    for turn, name in enumerate(WORKERS * 2, start=1):
        while len(done) < turn * AGREEMENTS // 6:  # noqa: ASYNC110  # other tasks add to it
            await asyncio.sleep(0.05)
        await supervisor.stop(name)
        await supervisor.start(worker(watched.stack, name, folder))


async def document(watched: Watched, reference: str) -> str:
    """Wait until an agreement's document is at the provider; workers may be away, so they are not asked."""
    path = f"/_sandbox/documents?title=%5B{reference}~"
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := (await watched.stack.sandbox.call("GET", path))["documents"]):  # noqa: ASYNC110  # it is the sandbox's state
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"no document: {await agreement_status(reference, client=watched.client)}")
    return str(found[0]["id"])


async def run_one(
    watched: Watched, number: int, turn: asyncio.Semaphore, done: list[AgreementResult]
) -> None:
    async with turn:
        agreement = example_agreement().model_copy(update={"reference": f"rolling-{number}"})
        started = await start_agreement(agreement, ask_provider=False, client=watched.client)
        await watched.stack.sandbox.complete(await document(watched, started.reference))
        done.append(await agreement_result(started.reference, client=watched.client))


async def test_a_rolling_restart_loses_and_repeats_nothing(watched: Watched, tmp_path: Path) -> None:
    turn, results = asyncio.Semaphore(AT_ONCE), list[AgreementResult]()
    async with asyncio.TaskGroup() as work:
        work.create_task(replace_workers(watched, tmp_path, results))
        for number in range(AGREEMENTS):
            work.create_task(run_one(watched, number, turn, results))
    assert Counter(result.outcome for result in results) == {Outcome.COMPLETED: AGREEMENTS}
    ledger = (await watched.stack.sandbox.ledger())["entries"]
    made = Counter(
        entry["kind"] for entry in ledger if entry["kind"] in {"deliverable_created", "document_created"}
    )
    assert made == {
        "deliverable_created": AGREEMENTS,
        "document_created": AGREEMENTS,
    }
    created = {entry["subject"] for entry in ledger if entry["kind"] == "document_created"}
    assert {result.document_id for result in results} == created
    for result in results:
        assert result.archive is not None
        assert (
            watched.stack.store / result.archive.document.key
        ).stat().st_size == result.archive.document.size
