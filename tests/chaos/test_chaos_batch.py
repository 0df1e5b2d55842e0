"""Kill parts at random while a batch runs: every row has one agreement, one document and one invitation."""

import asyncio
import csv
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from cli.stack import ROOT
from countersign.agreements.batches import BATCH_ID_PREFIX, BatchProgress
from countersign.agreements.messages import Resolution
from countersign.connection import connect
from devstack.stack import Stack
from starter import resolve_agreement
from tests.chaos.chaos_accounts import reference_of
from tests.chaos.chaos_collect import WAITING, references
from tests.chaos.chaos_people import documents, insist
from tests.chaos.chaos_schedule import Disruption
from tests.chaos.chaos_stack import Parts, open_stack
from tests.workflows.office import TEMPLATE, VARIABLES

ROWS: Final = 500
KILLS: Final = 16
PARTS: Final = ("worker", "worker-2", "temporal", "receiver", "api")
BATCH: Final = "storm"
OF_BATCH: Final = f"AgreementBatch = '{BATCH}'"
UNSENT: Final = f"{OF_BATCH} AND AgreementStage IN ('generating', 'sending') AND ExecutionStatus = 'Running'"
_GLANCE: Final = 0.5


def _write(path: Path) -> list[str]:
    """Write the table of the batch; returns the references of its rows."""
    names = [f"{BATCH}-{row:03}" for row in range(ROWS)]
    fixed = {"title": "Order", "template": TEMPLATE, "signer_1_name": "Ada Lovelace"}
    fixed |= {f"var.{name}": value for name, value in VARIABLES.items()}
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["reference", "signer_1_email", *fixed])
        table.writerows([[name, f"{name}@example.com", *fixed.values()] for name in names])
    return names


async def _start(table: Path, stack: Stack) -> None:
    """Start the batch, again after every failure."""
    command = [sys.executable, str(ROOT / "starter.py"), "bulk", "start", str(table), "--batch", BATCH]
    while True:
        process = await asyncio.create_subprocess_exec(*command, "--yes", "--no-watch", env=stack.env)
        if await process.wait() == 0:
            return


async def _kill(rng: random.Random, parts: Parts, stack: Stack, client: Client) -> None:
    """Kill parts at random points of the batch: after some of its rows are started, or are sent."""
    begun = 0
    for point in sorted(rng.uniform(0, 1.9 * ROWS) for _ in range(KILLS)):
        while True:
            with suppress(RPCError):
                begun = (await client.count_workflows(OF_BATCH)).count
            if begun + len(await documents(stack.sandbox)) >= point:
                break
            await asyncio.sleep(_GLANCE)
        await parts.disrupt(Disruption(0, rng.choice(PARTS), "kill", rng.uniform(0, 2)))
    await parts.all_up()


async def _until_sent(stack: Stack, client: Client) -> int:
    """Wait until every row is sent; returns how many sends a person had to decide about."""
    batch = client.get_workflow_handle(BATCH_ID_PREFIX + BATCH, result_type=BatchProgress)
    progress, decided = await batch.result(), 0
    while len(await references(client, OF_BATCH)) < progress.done or await references(client, UNSENT):
        for name in await references(client, f"{OF_BATCH} AND {WAITING}"):
            found = await documents(stack.sandbox, name)
            decision = (
                Resolution(action="adopt", document_id=found[0]["id"])
                if found
                else Resolution(action="send_again")
            )
            await insist(lambda: resolve_agreement(name, decision, client=client))  # noqa: B023  # at once
            decided += 1
        await asyncio.sleep(_GLANCE)
    return decided


@pytest.mark.heavy
@pytest.mark.timeout(1800)
async def test_a_batch_under_kills_sends_every_row_once(tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    names = _write(tmp_path / "table.csv")
    async with open_stack(tmp_path / "stack", others=("api",)) as (stack, parts):
        client = await connect(environment=stack.env)
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(_start(tmp_path / "table.csv", stack))
            group.create_task(_kill(random.Random(seed), parts, stack, client))
        killed_in = time.monotonic() - started
        decided = await _until_sent(stack, client)
        print(  # noqa: T201  # how long it took
            f"seed {seed}: {parts.done['kill']} kills in {killed_in:.0f} s, all sent after"
            f" {time.monotonic() - started:.0f} s, {decided} decided by a person"
        )
        once = dict.fromkeys(names, 1)
        agreements = [found.id async for found in client.list_workflows(OF_BATCH)]
        assert Counter(agreements) == {f"agreement-{name}": 1 for name in names}, seed
        made = await documents(stack.sandbox, forged=None)
        assert Counter(map(reference_of, made)) == once, seed
        entries = (await stack.sandbox.ledger())["entries"]
        invited = [
            entry["details"]["to"].partition("@")[0]
            for entry in entries
            if entry["kind"] == "email_sent" and entry["details"]["email"] == "signature_request"
        ]
        assert Counter(invited) == once, seed
        assert parts.done["kill"] == KILLS
