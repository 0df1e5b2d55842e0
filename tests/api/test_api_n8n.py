"""A real n8n runs the example: it starts an agreement, waits, is called back, and reads the outcome."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from countersign.testing.office import eventually
from devstack.stack import Stack
from tests.api.api_caller import Caller
from tests.api.n8n_process import N8n, install_n8n, running_n8n

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / "examples/n8n/order.json").read_text()
API = "http://127.0.0.1:8090"

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def n8n(
    standing_stack: tuple[Stack, object], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[N8n]:
    """The example's workflow, active, with a token of the stack."""
    stack, _ = standing_stack
    program = await asyncio.to_thread(install_n8n, ROOT / ".countersign/cache/n8n")
    token = {
        "id": "countersign",
        "name": "Countersign",
        "type": "httpBearerAuth",
        "data": {"token": stack.api_token.read_text().strip()},
    }
    workflow = json.loads(WORKFLOW.replace(API, stack.api_url))
    folder = tmp_path_factory.mktemp("n8n")
    async with running_n8n(program, folder, workflow=workflow, credentials=token) as n8n:
        yield n8n


async def start(n8n: N8n, reference: str) -> str:
    """Trigger the workflow; returns the id of its execution, once that waits or has ended."""
    before = n8n.executions()
    order = {"order": reference, "customer": "Example Ltd", "name": "Ada Example", "email": "ada@example.com"}
    async with httpx.AsyncClient() as caller:
        (await caller.post(f"{n8n.url}/webhook/new-order", json=order, timeout=60)).raise_for_status()
    found = await until(
        n8n, lambda now: any(now[id_] in {"waiting", "success", "error"} for id_ in now.keys() - before)
    )
    (execution,) = found.keys() - before
    return execution


async def until(n8n: N8n, condition: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    async def executions() -> dict[str, str]:
        return await asyncio.to_thread(n8n.executions)

    return await eventually(executions, condition, patience=300)


async def test_a_workflow_of_n8n_is_called_back_and_reads_the_outcome(
    n8n: N8n, api: Caller, stack: Stack, reference: str
) -> None:
    execution = await start(n8n, reference)
    assert n8n.executions()[execution] == "waiting"
    view = await api.until(reference, "awaiting_signatures")
    await stack.sandbox.complete(view["document_id"])
    found = await until(n8n, lambda now: now[execution] not in {"waiting", "running"})
    assert found[execution] == "success"
    outcome = n8n.output(execution, "Read the outcome")
    assert (outcome["reference"], outcome["result"]["outcome"]) == (reference, "completed")
    called = n8n.output(execution, "Wait for a callback")
    assert called["body"]["type"] == "agreement.completed"
    assert called["body"]["data"]["metadata"] == {"execution": execution}
    assert called["headers"]["webhook-signature"].startswith("v1,")


async def test_an_execution_that_is_run_again_gets_the_callback_instead(
    n8n: N8n, api: Caller, stack: Stack, reference: str
) -> None:
    first = await start(n8n, reference)
    second = await start(n8n, reference)
    assert n8n.executions()[second] == "waiting"
    view = await api.until(reference, "awaiting_signatures")
    await stack.sandbox.complete(view["document_id"])
    found = await until(n8n, lambda now: now[second] not in {"waiting", "running"})
    assert (found[first], found[second]) == ("waiting", "success")
    late = await start(n8n, reference)
    assert n8n.executions()[late] == "success"
    assert n8n.output(late, "Read the outcome")["result"]["outcome"] == "completed"
