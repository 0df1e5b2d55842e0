"""The documented workflow in TypeScript runs agreements in a worker of its own."""

import asyncio
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from countersign.agreements.messages import AgreementInput
from devstack.processes import Part, Supervisor, prints
from tests.conftest import tool
from tests.workflows.office import Office, an_agreement

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "parent"
QUEUE = f"typescript-{uuid.uuid4().hex[:8]}"

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its packages, from the package registry."""
    npm = tool("npm")
    folder = Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("typescript") / "parent"))
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest_asyncio.fixture
async def parents(office: Office, project: Path, tmp_path: Path) -> AsyncIterator[Office]:
    node = tool("node", "nodejs")
    env = {
        "PATH": str(Path(node).parent),
        "TEMPORAL_ADDRESS": office.client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": office.client.namespace,
    }
    part = Part("worker", [node, "worker.mjs", QUEUE], prints("worker ready"), env=env, folder=project)
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(part)
        yield office


async def order(office: Office, agreement: AgreementInput) -> WorkflowHandle[Any, Any]:
    document = agreement.model_dump(mode="json")
    return await office.client.start_workflow(
        "order", args=[document, office.task_queue], id=uuid.uuid4().hex, task_queue=QUEUE
    )


async def test_a_workflow_in_typescript_runs_an_agreement(parents: Office) -> None:
    agreement = an_agreement()
    orders = [await order(parents, agreement)]
    handle = parents.handle(agreement.reference)
    document_id = await parents.sent(handle)
    orders.append(await order(parents, agreement))  # meets the same agreement
    await parents.sign_all(document_id)
    await parents.deliver_event(handle, "completed", document_id)
    async with asyncio.timeout(60):
        results = [await started.result() for started in orders]
    assert results == ["order completed", "order completed"]
    assert len(await parents.documents_of(agreement)) == 1


async def test_cancelling_it_voids_the_document(parents: Office) -> None:
    started, met = an_agreement(), an_agreement()
    await parents.start(met)
    for agreement in (started, met):
        running = await order(parents, agreement)
        document_id = await parents.sent(parents.handle(agreement.reference))
        await parents.eventually(lambda: _is_waiting(running), bool)  # noqa: B023
        await running.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(running.result(), 60)
        assert isinstance(failed.value.cause, CancelledError)
        assert await parents.status_at_provider(document_id) == "voided"


async def _is_waiting(running: WorkflowHandle[Any, Any]) -> bool:
    described = (await running.describe()).raw_description
    return bool(described.pending_children or described.pending_activities)
