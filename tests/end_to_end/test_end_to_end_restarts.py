"""Test that an agreement that waits for its signers survives the death of all parts."""

import pytest

from countersign.agreements.messages import AgreementResult, Outcome, Stage
from devstack.stack import Stack
from tests.workflows.office import Office

pytestmark = pytest.mark.thorough


async def test_a_killed_worker_continues_a_waiting_agreement(stack: Stack, office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    stack.supervisor.kill("worker")
    await office.sign_all(document_id)
    await stack.supervisor.restart("worker")
    await check_completed(office, await office.result(handle), document_id)


async def test_temporal_continues_from_its_file_after_a_kill(stack: Stack, office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    stack.supervisor.kill("temporal")
    await stack.supervisor.restart("temporal")
    await office.sign_all(document_id)
    await check_completed(office, await office.result(handle), document_id)


async def check_completed(office: Office, result: AgreementResult, document_id: str) -> None:
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, document_id)
    assert result.archive is not None
    assert (await office.store.read(result.archive.document.key)).startswith(b"%PDF-")
    ledger = await office.sandbox.ledger()
    created = [entry for entry in ledger["entries"] if entry["kind"] == "document_created"]
    assert [entry["subject"] for entry in created].count(document_id) == 1
