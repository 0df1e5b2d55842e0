"""An agreement with a review asks no signer until a person sends it, in the app or by a decision."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from countersign.agreements.messages import (
    AgreementStatus,
    Outcome,
    ReminderPlan,
    Stage,
    TemplateSource,
    VoidRequest,
    WaitingFor,
)
from countersign.agreements.search_attributes import NEEDS_ATTENTION
from tests.workflows.office import TEMPLATE, VARIABLES, Handle, Office, an_agreement
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.thorough


async def in_review(office: Office, **changes: Any) -> tuple[Handle, str]:
    """Start an agreement and wait for its review."""
    handle = await office.start(an_agreement(review=True, **changes))
    status = await office.until_stage(handle, Stage.IN_REVIEW)
    assert status.document_id is not None
    return handle, status.document_id


async def send_in_app(office: Office, document_id: str) -> None:
    await office.sandbox.call("POST", f"/_sandbox/documents/{document_id}/send")


async def mails(office: Office, document_id: str) -> int:
    entries = (await office.sandbox.ledger())["entries"]
    return sum(entry["kind"] == "email_sent" and document_id in str(entry) for entry in entries)


async def sources_of(handle: Handle) -> list[str]:
    """List what each attempt to send began with."""
    return [
        json.loads(event.activity_task_scheduled_event_attributes.input.payloads[0].data)["source"]["kind"]
        async for event in handle.fetch_history_events()
        if event.activity_task_scheduled_event_attributes.activity_type.name == "send"
    ]


async def test_no_signer_is_asked_before_a_person_sends_it(office: Office) -> None:
    handle, document_id = await in_review(office, reminders=ReminderPlan(after=timedelta(hours=1)))
    status = await handle.query(AgreementWorkflow.status)
    assert (status.waiting_for, status.needs_attention) == (WaitingFor.OPERATOR, None)
    assert (status.sent_at, status.next_reminder_at) == (None, None)
    assert status.review_url is not None
    assert "/review/" in status.review_url
    assert await office.status_at_provider(document_id) == "review_ready"
    assert await mails(office, document_id) == 0
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update(AgreementWorkflow.remind)
    await send_in_app(office, document_id)
    await office.deliver_event(handle, "sent", document_id)
    status = await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    assert (status.document_id, status.review_url) == (document_id, None)
    assert status.sent_at is not None
    assert status.next_reminder_at is not None
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED
    attributes = (await handle.describe()).typed_search_attributes
    assert not attributes.get(NEEDS_ATTENTION)


async def test_a_check_finds_that_it_was_sent_and_signed(office: Office) -> None:
    handle, document_id = await in_review(office)
    await send_in_app(office, document_id)
    await office.skip(handle, timedelta(days=1))
    await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await office.sign_all(document_id)
    await office.skip(handle, timedelta(days=2))
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("lost", [False, True], ids=["", "the response to the void is lost"])
async def test_a_decision_sends_the_same_document_anew(office: Office, *, lost: bool) -> None:
    source = TemplateSource(template_id=TEMPLATE, variables=VARIABLES)
    handle, reviewed = await in_review(office, source=source)
    if lost:
        await office.break_call("/turbosign/documents/*/void", "drop", at="after")
    await office.resolve(handle, "send_now")
    status = await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    document_id = status.document_id
    assert document_id not in {None, reviewed}
    assert await office.status_at_provider(reviewed) == "voided"
    await office.deliver_event(handle, "voided", reviewed)
    await office.sign_all(str(document_id))
    await office.deliver_event(handle, "completed", document_id)
    result = await office.result(handle)
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, document_id)
    status = await handle.query(AgreementWorkflow.status)
    assert (status.needs_attention, status.candidates) == (None, ())
    assert await sources_of(handle) == ["template", "deliverable"]  # generated once
    assert await mails(office, reviewed) == 0


async def test_a_lost_response_never_adopts_the_reviewed_document(office: Office) -> None:
    handle, reviewed = await in_review(office)
    await office.break_call("/turbosign/single/prepare-for-signing", "drop", at="before")
    await office.resolve(handle, "send_now")
    await office.until_stage(handle, Stage.SENDING)
    await office.deliver_event(handle, "voided", reviewed)
    await office.skip(handle, timedelta(minutes=15))
    status = await office.until(handle, waits_for_a_person)
    assert (status.document_id, status.candidates) == (None, ())
    await office.resolve(handle, "send_again")
    status = await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    assert status.document_id not in {None, reviewed}


def waits_for_a_person(status: AgreementStatus) -> bool:
    return status.stage is Stage.SENDING and status.waiting_for is WaitingFor.OPERATOR


async def test_a_review_may_end_in_nothing(office: Office) -> None:
    handle, document_id = await in_review(office)
    await office.resolve(handle, "abandon")
    assert (await office.result(handle)).outcome is Outcome.ABANDONED
    assert await office.status_at_provider(document_id) == "review_ready"
    handle, document_id = await in_review(office)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="not approved"))
    assert (await office.result(handle)).outcome is Outcome.VOIDED
    assert await office.status_at_provider(document_id) == "voided"
    assert await mails(office, document_id) == 0


async def test_a_review_expires_at_the_deadline(office: Office) -> None:
    handle, _ = await in_review(office, deadline=datetime.now(UTC) + timedelta(hours=2))
    await office.skip(handle, timedelta(hours=3))
    assert (await office.result(handle)).outcome is Outcome.EXPIRED


async def test_a_review_outlives_its_run(office: Office) -> None:
    handle, reviewed = await in_review(
        office, source=TemplateSource(template_id=TEMPLATE, variables=VARIABLES)
    )
    first = (await handle.describe()).run_id
    for number in range(220):
        await office.deliver_event(handle, "unheard_of", reviewed, event_id=f"evt_{number}")
    latest = office.client.get_workflow_handle_for(AgreementWorkflow.run, handle.id)
    await office.eventually(latest.describe, lambda described: described.run_id != first)
    assert (await latest.query(AgreementWorkflow.status)).stage is Stage.IN_REVIEW
    await office.resolve(latest, "send_now")
    status = await office.until_stage(latest, Stage.AWAITING_SIGNATURES)
    assert status.document_id not in {None, reviewed}


async def test_only_a_review_can_be_sent_now(office: Office) -> None:
    handle = await office.start()
    await office.sent(handle)
    with pytest.raises(WorkflowUpdateFailedError):
        await office.resolve(handle, "send_now")
