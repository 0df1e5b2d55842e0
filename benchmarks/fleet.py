"""Run many agreements on a local stack: start all, sign all, and wait until all are done or stuck."""

import asyncio
import re
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from benchmarks.agreements import ROOT, TEMPLATE, VARIABLES
from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementInput, Signer, TemplateSource
from countersign.agreements.names import DEFAULT_ACCOUNT, TASK_QUEUE, WORKFLOW_NAME
from countersign.connection import data_converter
from devstack.processes import prints
from devstack.stack import Plan, Stack

RUNNING: Final = f'WorkflowType = "{WORKFLOW_NAME}" AND ExecutionStatus = "Running"'
WAITING: Final = f"{RUNNING} AND NeedsAttention = true"
_PATIENCE: Final = 900


class Fleet:
    """Agreements on a running stack.

    Args:
        stack: Temporal, receiver, worker and sandbox.
        client: Connected to its Temporal.
        agreements: Their number.
    """

    def __init__(self, stack: Stack, client: Client, agreements: int) -> None:
        self.stack = stack
        self.client = client
        self.references = self.new_references(agreements)

    @staticmethod
    def new_references(count: int) -> Sequence[str]:
        """Return references of new agreements."""
        return [uuid.uuid4().hex[:12] for _ in range(count)]

    async def start(self) -> None:
        """Start all agreements."""
        await asyncio.gather(*map(self.start_one, self.references))

    async def documents(self) -> list[Mapping[str, Any]]:
        """Return the sandbox's documents."""
        answer = await self.stack.sandbox.call("GET", "/_sandbox/documents")
        documents: list[Mapping[str, Any]] = answer["documents"]
        return documents

    async def until_sent(self, count: int) -> None:
        """Wait until a number of documents is sent."""
        while len(await self.documents()) < count:  # noqa: ASYNC110  # another process sends
            await asyncio.sleep(0.2)

    async def completed(self) -> int:
        """Count the completed agreements."""
        return await self._count(f'WorkflowType = "{WORKFLOW_NAME}" AND ExecutionStatus = "Completed"')

    async def waiting(self) -> int:
        """Count the agreements that wait for a person."""
        return await self._count(WAITING)

    async def faults(self) -> list[Mapping[str, Any]]:
        """Return the sandbox's faults with their hits."""
        rules: list[Mapping[str, Any]] = (await self.stack.sandbox.call("GET", "/_sandbox/faults"))["api"]
        return rules

    async def drain(self) -> int:
        """Sign documents until no agreement proceeds by itself; returns how many wait for a person.

        Raises:
            TimeoutError: Agreements still proceed after 15 minutes.
        """
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            for document in await self.documents():
                if document["status"] == "under_review":
                    await self.stack.sandbox.complete(document["id"])
            running, waiting = await self._count(RUNNING), await self.waiting()
            if running == waiting:
                return waiting
            await asyncio.sleep(0.5)
        raise TimeoutError(f"{running - waiting} agreements still move after {_PATIENCE} s")

    async def start_one(self, reference: str) -> None:
        """Start one agreement."""
        agreement = AgreementInput(
            reference=reference,
            title="A benchmark",
            source=TemplateSource(template_id=TEMPLATE, variables=VARIABLES),
            signers=(Signer(name="A Signer", email=f"{reference}@example.com"),),
        )
        await self.client.start_workflow(
            WORKFLOW_NAME,
            agreement,
            id=f"agreement-{reference}",
            task_queue=TASK_QUEUE,
            search_attributes=search_attributes.at_start(DEFAULT_ACCOUNT, None),
        )

    async def _count(self, query: str) -> int:
        return (await self.client.count_workflows(query)).count


def reference_of(document: Mapping[str, Any]) -> str:
    """Return the reference in the title of a document."""
    return re.split("[ ~]", document["name"].rpartition("[")[2])[0]


@asynccontextmanager
async def fleet(agreements: int, env: Mapping[str, str]) -> AsyncIterator[Fleet]:
    """Run a stack in a new folder with further settings."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            folder=Path(folder),
            worker=[sys.executable, str(ROOT / "worker.py")],
            worker_ready=prints("worker ready"),
            search_attributes=search_attributes.TYPES,
            extra_env=env,
        )
        async with Stack(plan) as stack:
            client = await Client.connect(stack.temporal_address, data_converter=data_converter())
            yield Fleet(stack, client, agreements)
