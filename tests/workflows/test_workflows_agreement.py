"""An agreement's life, on a real Temporal server and at the real sandbox."""

from datetime import timedelta

from tests.workflows.office import Office
from workflows.agreement import AgreementWorkflow
from workflows.messages import Outcome, Stage, WaitingFor


async def test_a_completed_document_is_archived_with_its_evidence(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.tell(handle, "completed", document_id)
    result = await office.result(handle)
    assert (result.outcome, result.document_id, result.resolved_by) == (
        Outcome.COMPLETED,
        document_id,
        "webhook",
    )
    assert result.archive is not None
    signed = await office.store.read(result.archive.document.key)
    assert signed.startswith(b"%PDF-")
    assert len(signed) == result.archive.document.size
    assert b"document_signed" in await office.store.read(result.archive.audit_trail.key)
    assert b"confirmed completed" not in await office.store.read(result.archive.timeline.key)


async def test_polling_finishes_it_without_any_webhook(office: Office) -> None:
    handle = await office.start()
    await office.sign_all(await office.sent(handle))
    await office.skip(handle, timedelta(minutes=2))
    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "poll")


async def test_waits_for_sixty_days(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.skip(handle, timedelta(days=60))
    status = await handle.query(AgreementWorkflow.status)
    assert (status.stage, status.waiting_for) == (Stage.AWAITING_SIGNATURES, WaitingFor.SIGNATURES)
    await office.sign_all(document_id)
    await office.tell(handle, "completed", document_id)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED
