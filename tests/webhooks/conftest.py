"""Fixtures of the webhook tests: a Temporal server with a stand-in workflow, and a receiver process."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from tests.webhooks.webhook_receiver import QUEUE, Agreement, Receiver, start_agreement
from tests.webhooks.webhook_receivers import RunningReceiver, running_receiver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def receiving(temporal_env: WorkflowEnvironment) -> AsyncIterator[Client]:
    """A client; a worker runs the stand-in workflow in its namespace."""
    pure = SandboxRestrictions.default.with_passthrough_modules("countersign")
    runner = SandboxedWorkflowRunner(restrictions=pure)
    async with Worker(temporal_env.client, task_queue=QUEUE, workflows=[Receiver], workflow_runner=runner):
        yield temporal_env.client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def receiver(receiving: Client) -> AsyncIterator[RunningReceiver]:
    """A receiver process."""
    async with running_receiver(receiving) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http(receiver: RunningReceiver) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=receiver.url, trust_env=False) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def agreement(receiving: Client) -> AsyncIterator[Agreement]:
    started = await start_agreement(receiving)
    yield started
    await started.handle.terminate()
