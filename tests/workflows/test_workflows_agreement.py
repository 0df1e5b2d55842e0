"""An agreement's life, on a real Temporal server and at the real sandbox."""

import logging
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError

from countersign.agreements.messages import (
    Outcome,
    ReminderPlan,
    Stage,
    TemplateSource,
    VoidRequest,
    WaitingFor,
)
from countersign.agreements.names import WORKFLOW_NAME
from countersign.providers.registry import accounts
from tests.workflows.office import Office, an_agreement
from worker import workflow_worker
from workflows.agreement import AgreementWorkflow


async def test_a_completed_document_is_archived_with_its_evidence(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
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


async def test_every_event_is_logged_once_with_the_run_and_who_started_it(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "temporalio.workflow")
    handle = await office.start(an_agreement(initiated_by="user-17"))
    document_id = await office.sent(handle)
    await office.deliver_event(handle, "viewed", document_id)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    await office.result(handle)
    lines = [vars(record) for record in caplog.records if record.message.startswith("event applied")]
    assert [line["kind"] for line in lines] == ["viewed", "completed"]
    assert all(line["event_id"] for line in lines)
    assert {(line["initiated_by"], line["temporal_workflow"]["run_id"]) for line in lines} == {
        ("user-17", handle.first_execution_run_id)
    }


async def test_waits_for_sixty_days(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.skip(handle, timedelta(days=60))
    status = await office.status(handle)
    assert (status.stage, status.waiting_for) == (Stage.AWAITING_SIGNATURES, WaitingFor.SIGNATURES)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_a_deadline_that_passes_voids_the_document(office: Office) -> None:
    handle = await office.start(an_agreement(deadline=datetime.now(UTC) + timedelta(days=30)))
    document_id = await office.sent(handle)
    await office.skip(handle, timedelta(days=31))
    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.EXPIRED, "poll")
    assert await office.status_at_provider(document_id) == "voided"


async def test_a_signature_in_time_counts_even_if_no_one_reported_us_before_the_deadline(
    office: Office,
) -> None:
    handle = await office.start(an_agreement(deadline=datetime.now(UTC) + timedelta(minutes=75)))
    document_id = await office.sent(handle)
    await office.skip(handle, timedelta(minutes=30))  # past the checks of minutes 1, 6 and 21; the next is 81
    await office.sign_all(document_id)
    await office.skip(handle, timedelta(minutes=45))
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_void_voids_at_the_provider_first(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="signed on paper"))
    result = await office.result(handle)
    assert (result.outcome, result.reason, result.resolved_by) == (
        Outcome.VOIDED,
        "signed on paper",
        "operator",
    )
    assert await office.status_at_provider(document_id) == "voided"


async def test_cancelling_the_workflow_voids_at_the_provider_first(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await office.result(handle)
    assert isinstance(caught.value.cause, CancelledError)
    assert await office.status_at_provider(document_id) == "voided"


async def test_voiding_what_was_signed_meanwhile_completes(office: Office) -> None:
    handle = await office.start()
    await office.sign_all(await office.sent(handle))
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="too late"))
    result = await office.result(handle)
    assert (result.outcome, result.reason) == (Outcome.COMPLETED, None)
    assert result.archive is not None


async def test_an_ended_agreement_refuses_to_be_voided(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    await office.result(handle)
    with pytest.raises(RPCError, match="completed"):
        await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="too late"))


async def test_a_document_voided_at_the_provider_ends_the_agreement(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sandbox.call("POST", f"/turbosign/documents/{document_id}/void", {"reason": "by hand"})
    await office.deliver_event(handle, "voided", document_id)
    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.VOIDED, "webhook")


async def test_a_document_that_expired_at_the_provider_ends_the_agreement(office: Office) -> None:
    """The provider announces no expiry; a poll finds it."""
    handle = await office.start()
    document_id = await office.sent(handle)
    document = {"id": document_id, "name": "Statement of Work", "status": "expired"}
    body = {"data": {"document": document, "recipients": []}}
    await office.break_call(LOOK, "status", status=200, body=body, times=None)
    await office.skip(handle, timedelta(minutes=2))
    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.EXPIRED, "poll")


async def test_an_event_alone_completes_nothing(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.deliver_event(handle, "completed", document_id)
    await office.until(handle, lambda status: status.stage is Stage.ARCHIVING)
    status = await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    assert status.result is None
    await office.sign_all(document_id)
    await office.skip(handle, timedelta(minutes=2))
    assert (await office.result(handle)).resolved_by == "poll"


async def test_tomorrows_event_kind_and_a_stranger_are_recorded_and_harmless(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.deliver_event(handle, "notarised", document_id, colour="blue")
    await office.deliver_event(
        handle, "viewed", document_id, event_id="evt_once", recipient_id="nobody we know"
    )
    await office.deliver_event(
        handle, "viewed", document_id, event_id="evt_once", recipient_id="nobody we know"
    )
    status = await office.until(handle, lambda status: status.ignored == 1)
    assert status.stage is Stage.AWAITING_SIGNATURES
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    result = await office.result(handle)
    assert result.archive is not None
    timeline = (await office.store.read(result.archive.timeline.key)).decode()
    assert timeline.count("evt_once") == 1
    assert "unknown kind" in timeline


async def test_a_second_document_with_our_marker_is_shown_and_left_alone(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.deliver_event(handle, "sent", "a-twin")
    status = await office.until(handle, lambda status: status.needs_attention is not None)
    assert (status.candidates, status.waiting_for) == (("a-twin",), WaitingFor.OPERATOR)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await office.resolve(handle, "send_again")
    assert "abandon or keep" in str(caught.value.cause)
    await office.resolve(handle, "keep")
    await office.until(handle, lambda status: status.needs_attention is None)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    assert (await office.result(handle)).document_id == document_id


async def test_reminders_go_out_as_planned_and_no_more(office: Office) -> None:
    plan = ReminderPlan(after=timedelta(days=3), every=timedelta(days=7), at_most=2)
    handle = await office.start(an_agreement(reminders=plan))
    await office.sent(handle)
    await office.skip(handle, timedelta(days=60))
    assert (await office.status(handle)).reminders == plan.at_most
    await handle.execute_update(AgreementWorkflow.remind)
    await office.until(handle, lambda status: status.reminders == plan.at_most + 1)


async def test_a_reference_that_was_used_is_refused_for_good(office: Office) -> None:
    agreement = an_agreement()
    handle = await office.start(agreement)
    document_id = await office.sent(handle)
    await handle.terminate()
    again = await office.client.start_workflow(
        WORKFLOW_NAME, agreement, id=handle.id, task_queue=office.settings.task_queue
    )
    with pytest.raises(WorkflowFailureError) as caught:
        await again.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "ReferenceUsed"
    assert caught.value.cause.message == (
        f"reference {agreement.reference} was used by an earlier agreement; choose a new one, "
        f"for example {agreement.reference}.2"
    )
    assert await office.status_at_provider(document_id) == "under_review"


async def test_a_template_that_does_not_exist_fails_clearly(office: Office) -> None:
    source = TemplateSource(template_id="7e3a1c00-0000-4000-8000-00000000dead")
    handle = await office.start(an_agreement(source=source))
    with pytest.raises(WorkflowFailureError) as caught:
        await office.result(handle)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "SourceUnusable"
    assert "no template has this id" in caught.value.cause.message


async def test_many_signers_and_months_of_news_continue_as_new(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    first_run = (await handle.describe()).run_id
    for number in range(220):
        await office.deliver_event(handle, "viewed", document_id, event_id=f"evt_{number}")
    await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await office.deliver_event(handle, "viewed", document_id, event_id="evt_0")
    status = await office.until(handle, lambda status: status.document_id == document_id)
    assert (await handle.describe()).run_id != first_run
    assert status.ignored == 0
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    result = await office.result(handle)
    assert result.archive is not None
    timeline = (await office.store.read(result.archive.timeline.key)).decode()
    assert timeline.count('"evt_0"') == 1


async def test_an_agreement_that_a_full_cache_evicts_goes_on(office: Office) -> None:
    small = office.settings.model_copy(update={"task_queue": uuid.uuid4().hex})
    async with workflow_worker(
        office.client, office.store, small, accounts(), cached_workflows=1, sandboxed=True
    ):
        handles = [await office.start(task_queue=small.task_queue) for _ in range(4)]
        for handle in handles:
            await office.until_stage(handle, Stage.GENERATING)
            await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="enough"))
        assert {(await office.result(handle)).outcome for handle in handles} == {Outcome.VOIDED}


LOOK = "/turbosign/documents/*/recipients"


async def test_a_document_that_the_provider_disowns_needs_a_person_and_may_come_back(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.break_call(LOOK, "status", status=404, body={"message": "Document not found"}, times=None)
    await office.skip(handle, timedelta(minutes=2))
    status = await office.until(handle, lambda status: status.needs_attention is not None)
    assert status.stage is Stage.AWAITING_SIGNATURES
    await office.mend()
    await office.sign_all(document_id)
    await office.skip(handle, timedelta(minutes=10))
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_a_reminder_does_not_spin_while_the_provider_disowns_what_an_event_claimed(
    office: Office,
) -> None:
    plan = ReminderPlan(after=timedelta(hours=1), every=timedelta(hours=1), at_most=3)
    handle = await office.start(an_agreement(reminders=plan))
    document_id = await office.sent(handle)
    await office.break_call("/turbosign/documents/*", "status", status=404, body={}, times=None)
    await office.deliver_event(handle, "completed", document_id)
    await office.until(handle, lambda status: status.needs_attention is not None)
    await office.skip(handle, timedelta(hours=5))
    status = await office.until(handle, lambda status: status.reminders == plan.at_most)
    assert status.needs_attention is not None
    assert (await handle.describe()).history_length < 300
    await handle.terminate()


async def test_a_deadline_does_not_spin_while_the_provider_refuses_everything(office: Office) -> None:
    handle = await office.start(an_agreement(deadline=datetime.now(UTC) + timedelta(hours=1)))
    await office.sent(handle)
    await office.break_call("/turbosign/documents/*", "status", status=404, body={}, times=None)
    await office.skip(handle, timedelta(hours=4))
    await office.until(handle, lambda status: status.needs_attention is not None)
    assert (await handle.describe()).history_length < 200
    await office.resolve(handle, "abandon")
    assert (await office.result(handle)).outcome is Outcome.ABANDONED
