"""Running agreements move to the current build, or stay with the one they began on, as the settings say."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.service import RPCError

from countersign.agreements.messages import Stage, VoidRequest
from countersign.providers.registry import accounts
from countersign.settings import WorkerSettings
from tests.workflows.office import Handle, Office
from worker import deployment, workflow_worker
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.thorough

Versioning = Literal["auto_upgrade", "pinned"]


def test_without_a_build_id_workers_are_unversioned() -> None:
    assert deployment(WorkerSettings(), "countersign") is None


async def make_current(office: Office, name: str, build_id: str) -> None:
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace="default", deployment_name=name, build_id=build_id, identity="test"
    )

    async def ask() -> bool:
        try:
            await office.client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError:  # the server has not seen the build's workers yet
            return False
        return True

    await office.eventually(ask, bool)


@asynccontextmanager
async def build(office: Office, queue: str, build_id: str, kind: Versioning) -> AsyncIterator[None]:
    settings = office.settings.model_copy(update={"task_queue": queue})
    version = deployment(WorkerSettings(build_id=build_id, versioning=kind), queue)
    async with workflow_worker(
        office.client, office.store, settings, accounts(), build=version, sandboxed=True
    ):
        await make_current(office, queue, build_id)
        yield


async def builds_of(office: Office, handle: Handle) -> list[str]:
    """Tell which build served each of an agreement's workflow tasks."""
    history = await office.client.get_workflow_handle(handle.id).fetch_history()
    done = [event.workflow_task_completed_event_attributes for event in history.events]
    return [event.deployment_version.build_id for event in done if event.HasField("deployment_version")]


async def served_newcomers(office: Office, queue: str) -> str:
    """Tell which build serves an agreement that starts now."""
    handle = await office.start(task_queue=queue)
    await office.until_stage(handle, Stage.GENERATING)
    return (await builds_of(office, handle))[0]


@pytest.mark.parametrize(("kind", "served_by"), [("auto_upgrade", "2"), ("pinned", "1")])
async def test_an_agreement_is_served_by_the_build_it_should_be(
    office: Office, kind: Versioning, served_by: str
) -> None:
    queue = uuid.uuid4().hex
    async with AsyncExitStack() as builds:
        await builds.enter_async_context(build(office, queue, "1", kind))
        handle = await office.start(task_queue=queue)
        await office.until_stage(handle, Stage.GENERATING)
        await builds.enter_async_context(build(office, queue, "2", kind))
        await office.eventually(lambda: served_newcomers(office, queue), lambda served: served == "2")
        await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="enough"))
        await office.result(handle)
        assert (await builds_of(office, handle))[-1] == served_by
