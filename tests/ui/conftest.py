import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from temporalio.client import Client

from cli.demo import example_agreement
from cli.stack import plan
from countersign.agreements.messages import AgreementStatus, ReminderPlan
from countersign.client.agreements import agreement_result, agreement_status
from countersign.client.references import StartedAgreement
from countersign.client.start import start_agreement
from countersign.connection import connect
from devstack.ports import Ports
from devstack.processes import Part, prints
from devstack.stack import Stack
from tests.conftest import tool

SEND = "/turbosign/single/prepare-for-signing"


@dataclass
class Shown:
    """A stack with one agreement of each kind."""

    stack: Stack
    client: Client
    attention: StartedAgreement
    waiting: StartedAgreement
    completed: StartedAgreement

    def url(self, started: StartedAgreement, tab: str) -> str:
        return (
            f"{self.stack.ui_url}/namespaces/default/workflows/{started.workflow_id}/{started.run_id}/{tab}"
        )


@pytest.fixture(scope="session")
def neutral_folder() -> Iterator[Path]:
    """A folder with a neutral name, for the docs' pictures."""
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        yield Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shown(neutral_folder: Path) -> AsyncIterator[Shown]:
    """The local stack: an agreement that needs attention, one that waits, one that is completed."""
    folder = neutral_folder
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COUNTERSIGN_PACE": "100"}
    async with Stack(replace(plan(folder, Ports.pick()), extra_env=env)) as stack:
        client = await connect(environment=stack.env)
        attention = await _unknown(stack, client)
        await _production_worker(stack, folder)
        waiting, completed = await asyncio.gather(
            _start(
                client,
                reference="order-1002",
                reminders=ReminderPlan(),
                deadline=datetime.now(UTC) + timedelta(days=30),
            ),
            _start(client, reference="order-1003"),
        )
        await _sign(stack, client, waiting, signers=1)
        await _sign(stack, client, completed, signers=2)
        await agreement_result(completed.reference, client=client)
        yield Shown(stack, client, attention, waiting, completed)


async def _start(client: Client, **changes: Any) -> StartedAgreement:
    agreement = example_agreement().model_copy(update=changes)
    return await start_agreement(agreement, client=client)


async def _unknown(stack: Stack, client: Client) -> StartedAgreement:
    """Start an agreement whose send has an unknown outcome."""
    fault = {"path": SEND, "do": "status", "status": 502}
    await stack.sandbox.call("PUT", "/_sandbox/faults", {"api": [fault]})
    started = await _start(client, reference="order-1001")
    await _until(client, started, lambda status: status.needs_attention is not None)
    return started


async def _production_worker(stack: Stack, folder: Path) -> None:
    """Replace the worker by one with the waits of production."""
    await stack.supervisor.stop("worker")
    command = plan(folder, Ports.pick()).worker
    part = Part("worker", command, prints("worker ready"), {**stack.env, "COUNTERSIGN_PACE": "1"}, folder)
    await stack.supervisor.start(part)


async def _sign(stack: Stack, client: Client, started: StartedAgreement, *, signers: int) -> None:
    status = await _until(client, started, lambda status: status.document_id is not None)
    document_id = str(status.document_id)
    for recipient_id in (await stack.sandbox.recipient_ids(document_id))[:signers]:
        await stack.sandbox.view(document_id, recipient_id)
        await stack.sandbox.sign(document_id, recipient_id)
    await _until(
        client,
        started,
        lambda status: sum(signer.signed_at is not None for signer in status.signers) == signers,
    )


async def _until(client: Client, started: StartedAgreement, is_true: Any) -> AgreementStatus:
    async with asyncio.timeout(60):
        while not is_true(status := await agreement_status(started.reference, client=client)):  # noqa: ASYNC110  # the server's state
            await asyncio.sleep(0.1)
        return status


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's chromium: no browser build is downloaded."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=tool("chromium"), args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(60_000)
    yield page
    await page.close()
