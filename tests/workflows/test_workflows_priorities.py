"""What waits for the provider goes by priority: what people asked for, then sends, then checks."""

import uuid
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from fpdf import FPDF
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign import testing
from countersign.agreements.messages import AgreementInput, FileSource, Outcome, VoidRequest
from countersign.agreements.names import DEFAULT_ACCOUNT, account_task_queue
from countersign.providers.open_account import open_account
from countersign.providers.registry import account
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings
from countersign.storage import FolderStore, put
from countersign.task_queues import describe_task_queue
from devstack.sandbox import Sandbox
from tests.providers.provider_desk import settings_of
from tests.workflows.office import ADA
from worker import provider_worker, workflow_worker
from workflows.agreement import AgreementWorkflow

SENDS = 12


def a_pdf() -> bytes:
    document = FPDF(format="A4")
    document.add_page()
    return bytes(document.output())


def an_agreement(source: FileSource, prefix: str) -> AgreementInput:
    return AgreementInput(
        reference=f"{prefix}-{uuid.uuid4().hex[:8]}",
        title="Statement of Work",
        source=source,
        signers=(ADA,),
    )


async def test_a_void_passes_the_sends_that_wait(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    configured = account(DEFAULT_ACCOUNT, DEFAULT_ACCOUNT)
    own = CountersignSettings(store=str(tmp_path), task_queue=uuid.uuid4().hex, graceful_stop_seconds=1)
    store, queue = FolderStore(tmp_path), account_task_queue(own.task_queue, DEFAULT_ACCOUNT)
    office = testing.Office(client, time_skipper, own.task_queue, patience=60)
    prefix = f"p-{uuid.uuid4().hex[:4]}"
    stored = await put(store, "files/contract.pdf", a_pdf())
    source = FileSource(key=stored.key, file_name="contract.pdf", sha256=stored.sha256)

    async def serve(stack: AsyncExitStack, slots: int) -> None:
        opened = await stack.enter_async_context(
            open_account(configured, Rotating(settings_of(sandbox)), ProviderSettings(), slots=slots)
        )
        await stack.enter_async_context(provider_worker(client, opened, store, own))
        stack.push_async_callback(opened.slots.drain)

    async with workflow_worker(client, store, own, {configured.name: configured}, sandboxed=True):
        async with AsyncExitStack() as stack:
            await serve(stack, 5)
            first = await office.start(an_agreement(source, prefix))
            document_id = await office.sent(first)
        others = [await office.start(an_agreement(source, prefix)) for _ in range(SENDS)]

        async def backlog() -> int:
            described = await describe_task_queue(
                client, queue, "activity", rpc_timeout=timedelta(seconds=10)
            )
            return described.stats.approximate_backlog_count

        await office.eventually(backlog, lambda waiting: waiting >= SENDS)
        await first.execute_update(AgreementWorkflow.void, VoidRequest(reason="No longer needed."))
        await office.eventually(backlog, lambda waiting: waiting >= SENDS + 1)
        async with AsyncExitStack() as stack:
            await serve(stack, 1)
            assert (await office.result(first)).outcome is Outcome.VOIDED
            for other in others:
                await office.sent(other)
    entries = (await sandbox.ledger())["entries"]
    order = [entry["kind"] for entry in entries if prefix in str(entry) or entry["subject"] == document_id]
    place = order.index("document_voided")
    assert order[:place].count("document_created") <= 1 + SENDS // 3, "the first one, and what was handed out"
