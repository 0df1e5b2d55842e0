"""Each filter of the runbook finds what it is for, on a real server."""

import asyncio
import json
import re
import subprocess
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from countersign.agreements import search_attributes
from countersign.testing.server import temporal_executable
from tests.deploy.filters import saved_filters

pytestmark = pytest.mark.thorough

AGREEMENTS: dict[str, dict[str, Any]] = {
    "waiting": {"stage": "awaiting_signatures", "waiting_for": "signatures"},
    "generating": {"stage": "generating", "waiting_for": "provider"},
    "unknown": {"stage": "sending", "waiting_for": "operator", "attention": True},
    "unarchived": {"stage": "archiving", "waiting_for": "provider", "attention": True},
    "due": {
        "stage": "awaiting_signatures",
        "waiting_for": "signatures",
        "deadline": datetime(2026, 1, 30, tzinfo=UTC),
    },
    "known": {
        "stage": "awaiting_signatures",
        "waiting_for": "signatures",
        "document": "264f5c1e-fa16-451e-8940-9807cec12f26",
    },
}
FOUND = {
    "what needs attention": {"unknown", "unarchived"},
    "who waits longest for signatures": {"waiting", "due", "known"},
    "what a failing provider holds up": {"generating"},
    "sends of unknown outcome": {"unknown"},
    "what is stuck": {"stuck"},
    "signed, and not archived yet": {"unarchived"},
    "deadlines that come soon": {"due"},
    "what failed": {"failed"},
    "the agreement of a document": {"known"},
}


@workflow.defn(name="AgreementWorkflow")
class Failing:
    """An agreement that the provider refuses."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("refused")


@workflow.defn(name="AgreementWorkflow")
class Raising:
    """An agreement whose workflow task keeps failing."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("a defect")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def agreements(temporal_env: Any) -> AsyncIterator[tuple[Client, str]]:
    """Agreements that no worker touches, as they stand in Temporal at six moments of their lives."""
    client: Client = temporal_env.client
    prefix = uuid.uuid4().hex
    for name, facts in AGREEMENTS.items():
        await client.start_workflow(
            "AgreementWorkflow", id=f"{prefix}-{name}", task_queue=prefix, search_attributes=_typed(**facts)
        )
    async with Worker(
        client,
        task_queue=f"{prefix}-failing",
        workflows=[Failing],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        failing = await client.start_workflow(
            "AgreementWorkflow", id=f"{prefix}-failed", task_queue=f"{prefix}-failing"
        )
        with pytest.raises(WorkflowFailureError):
            await failing.result()
    async with Worker(
        client,
        task_queue=f"{prefix}-raising",
        workflows=[Raising],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        await client.start_workflow("AgreementWorkflow", id=f"{prefix}-stuck", task_queue=f"{prefix}-raising")
        yield client, prefix
    for name in (*AGREEMENTS, "stuck"):
        await client.get_workflow_handle(f"{prefix}-{name}").terminate()


def _typed(
    *,
    stage: str,
    waiting_for: str,
    attention: bool = False,
    deadline: datetime | None = None,
    document: str | None = None,
) -> TypedSearchAttributes:
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(search_attributes.STAGE, stage),
        SearchAttributePair(search_attributes.WAITING_FOR, waiting_for),
        SearchAttributePair(search_attributes.NEEDS_ATTENTION, attention),
    ]
    if deadline:
        pairs.append(SearchAttributePair(search_attributes.DEADLINE, deadline))
    if document:
        pairs.append(SearchAttributePair(search_attributes.DOCUMENT_ID, document))
    return TypedSearchAttributes(pairs)


def test_every_filter_is_tested() -> None:
    assert set(saved_filters()) == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
async def test_a_filter_finds_what_it_is_for(agreements: tuple[Client, str], name: str) -> None:
    client, prefix = agreements
    query = saved_filters()[name].replace("StartTime < '2026", "StartTime < '2100")
    wanted = {f"{prefix}-{item}" for item in FOUND[name]}
    async with asyncio.timeout(20):
        while {found_id for found_id in await listed(client, query) if found_id.startswith(prefix)} != wanted:  # noqa: ASYNC110  # it is the server's state
            await asyncio.sleep(0.1)
    counted = await temporal(client, "count", query)
    assert int(re.findall(r"Total: (\d+)", counted)[0]) >= len(wanted)


async def listed(client: Client, query: str) -> list[str]:
    """Workflow ids, as `temporal workflow list` tells them."""
    reported = await temporal(client, "list", query, "--output", "json")
    return [load["execution"]["workflowId"] for load in json.loads(reported)]


async def temporal(client: Client, verb: str, query: str, *more: str) -> str:
    """Run Temporal's own command line."""
    command = [str(temporal_executable()), "workflow", verb, "--query", query, *more]
    address = client.service_client.config.target_host
    done = await asyncio.to_thread(
        subprocess.run, [*command, "--address", address], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
