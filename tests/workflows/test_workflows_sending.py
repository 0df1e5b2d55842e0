"""Sending once: whatever becomes of the attempt, at most one document is out, or a person decides."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import TimeSkipper

from countersign.agreements.messages import AgreementStatus, Outcome, Stage, VoidRequest, WaitingFor
from countersign.providers.circuit import CircuitRules
from devstack.sandbox import Sandbox
from tests.workflows.office import SEND, Handle, Office, an_agreement, open_office
from tests.workflows.scenarios import NO_ONE
from workflows.agreement import AgreementWorkflow


@pytest_asyncio.fixture(autouse=True)
async def logged_webhooks(office: Office) -> None:
    await office.sandbox.subscribe(NO_ONE)


def needs_a_person(status: AgreementStatus) -> bool:
    return status.waiting_for is WaitingFor.OPERATOR


async def lost(office: Office, handle: Handle) -> AgreementStatus:
    """Wait until the search for evidence has ended and a person is asked."""
    await office.skip(handle, timedelta(minutes=15))
    return await office.until(handle, needs_a_person)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("rate_limit", {"retry_after": "1"}),
        ("rate_limit", {"times": 3, "retry_after": "1"}),
    ],
)
async def test_what_was_never_looked_at_is_sent_again(
    office: Office, fault: str, rule: dict[str, object]
) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, fault, **rule)
    handle = await office.start(agreement, skipping=True)
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]


async def test_a_marked_event_is_evidence_enough(office: Office) -> None:
    agreement = an_agreement()
    await office.sandbox.call("DELETE", "/api/webhooks/signature")
    await office.break_call(SEND, "drop", at="after")
    handle = await office.start(agreement)
    await office.until(handle, lambda status: status.stage is Stage.SENDING)
    (document_id,) = await committed(office, agreement.reference)
    await office.deliver_event(handle, "sent", document_id)
    assert await office.sent(handle) == document_id


async def test_events_from_before_the_adoption_count(office: Office) -> None:
    agreement = an_agreement()
    await office.sandbox.call("DELETE", "/api/webhooks/signature")
    await office.break_call(SEND, "drop", at="after")
    handle = await office.start(agreement)
    (document_id,) = await committed(office, agreement.reference)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_any_logged_event_is_evidence_where_sent_is_not_subscribed(office: Office) -> None:
    agreement = an_agreement()
    await office.sandbox.call("DELETE", "/api/webhooks/signature")
    wanted = {"name": "signature", "urls": [NO_ONE], "events": ["signature.document.viewed"]}
    await office.sandbox.call("POST", "/api/webhooks", wanted)
    await office.break_call(SEND, "drop", at="after")
    handle = await office.start(agreement)
    (document_id,) = await committed(office, agreement.reference)
    (ada, _) = await office.sandbox.recipient_ids(document_id)
    await office.sandbox.view(document_id, ada)
    await office.skip(handle, timedelta(minutes=15))
    assert await office.sent(handle) == document_id


async def test_a_log_with_filters_misbehave_is_evidence_too(office: Office) -> None:
    """As they do in production: asked for what was delivered, it answers with what was not."""
    agreement = an_agreement()
    await office.sandbox.call("PATCH", "/_sandbox/behaviour", {"filters_work": False})
    try:
        await office.break_call(SEND, "drop", at="after")
        handle = await office.start(agreement)
        await office.skip(handle, timedelta(minutes=15))
        assert await office.documents_of(agreement) == [await office.sent(handle)]
    finally:
        await office.sandbox.call("PATCH", "/_sandbox/behaviour", {"filters_work": True})


async def test_a_stranger_with_our_marker_is_not_adopted(office: Office) -> None:
    stranger = await office.sent(await office.start())
    await office.break_call(SEND, "drop", at="before")
    handle = await office.start()
    await office.deliver_event(handle, "sent", stranger)
    status = await lost(office, handle)
    assert status.document_id is None


async def test_without_evidence_a_person_decides_to_send_again(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "drop", at="before")
    handle = await office.start(agreement)
    status = await lost(office, handle)
    assert status.needs_attention is not None
    assert "adopt, send_again or abandon" in status.needs_attention
    assert re.search(r"\(delivery log: \d+ deliveries read\)", status.needs_attention)
    assert await office.documents_of(agreement) == []
    await office.resolve(handle, "send_again")
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]


async def test_works_where_the_delivery_log_is_forbidden_and_a_person_adopts(office: Office) -> None:
    agreement = an_agreement()
    stranger = await office.sent(await office.start())
    await office.sandbox.call(
        "PUT",
        "/_sandbox/faults",
        {
            "api": [
                {"path": SEND, "do": "drop", "at": "after"},
                {"path": "/api/webhooks/*", "do": "status", "status": 403, "body": "", "times": None},
            ]
        },
    )
    handle = await office.start(agreement)
    status = await lost(office, handle)
    assert "(delivery log: refused (403))" in str(status.needs_attention)
    (document_id,) = await office.documents_of(agreement)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await office.resolve(handle, "adopt", stranger)
    assert "is not this agreement's" in str(caught.value.cause)
    await office.resolve(handle, "adopt", document_id)
    assert await office.sent(handle) == document_id


async def test_a_person_is_reported_that_only_the_newest_deliveries_were_looked_at(office: Office) -> None:
    strange = {"id": "d", "eventType": "signature.document.sent", "payload": {"data": {"title": "theirs"}}}
    page = {"data": {"results": [strange] * 100, "totalRecords": 5000}}
    log = {"path": "/api/webhooks/*", "do": "status", "status": 200, "body": page, "times": None}
    lose = {"path": SEND, "do": "drop", "at": "before"}
    await office.sandbox.call("PUT", "/_sandbox/faults", {"api": [lose, log]})
    handle = await office.start()
    status = await lost(office, handle)
    assert "(delivery log: only the newest 1,000 deliveries read)" in str(status.needs_attention)
    assert "evidence: delivery log: only the newest 1,000 deliveries read" in [
        entry.what for entry in await handle.query(AgreementWorkflow.timeline)
    ]


async def test_a_key_that_is_refused_during_the_search_does_not_lose_the_evidence(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    agreement = an_agreement()
    faults = [
        {"path": SEND, "do": "drop", "at": "after"},
        {"path": "/api/webhooks/*", "do": "status", "status": 401, "body": ""},
    ]
    quick = CircuitRules(blocked_probe=0.2)
    async with open_office(client, time_skipper, sandbox, tmp_path, rules=quick) as office:
        await sandbox.call("PUT", "/_sandbox/faults", {"api": faults})
        handle = await office.start(agreement)
        await office.skip(handle, timedelta(minutes=15))
        assert await office.documents_of(agreement) == [await office.sent(handle)]
        reported = [entry.what for entry in await handle.query(AgreementWorkflow.timeline)]
    evidence = [line for line in reported if line.startswith("evidence: delivery log:")]
    assert [line for line in evidence if "deliveries read" not in line] == []
    assert len(evidence) == 1


async def test_a_person_may_abandon(office: Office) -> None:
    await office.break_call(SEND, "drop", at="before")
    handle = await office.start()
    await lost(office, handle)
    await office.resolve(handle, "abandon")
    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.ABANDONED, "operator")


async def test_a_document_that_shows_up_after_a_second_send_is_shown_not_voided(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "drop", at="late", commit_after=1)
    await office.sandbox.call("DELETE", "/api/webhooks/signature")
    handle = await office.start(agreement)
    status = await lost(office, handle)
    assert "(delivery log: refused (404))" in str(status.needs_attention)
    await office.resolve(handle, "send_again")
    adopted = await office.sent(handle)
    (late,) = {*await committed(office, agreement.reference, count=2)} - {adopted}
    await office.deliver_event(handle, "sent", late)
    status = await office.until(handle, needs_a_person)
    assert status.candidates == (late,)
    assert await office.status_at_provider(late) == "under_review"


async def test_a_refused_send_fails_clearly(office: Office) -> None:
    await office.break_call(SEND, "status", status=422, body={"message": "no", "type": "ValidationError"})
    handle = await office.start()
    with pytest.raises(WorkflowFailureError) as caught:
        await office.result(handle)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "Rejected"


async def test_voided_while_the_send_is_unknown_learns_the_outcome_first(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "drop", at="after")
    handle = await office.start(agreement)
    await office.until(handle, lambda status: status.stage is Stage.SENDING)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="changed our mind"))
    await office.skip(handle, timedelta(minutes=15))
    assert (await office.result(handle)).outcome is Outcome.VOIDED
    (document_id,) = await office.documents_of(agreement)
    assert await office.status_at_provider(document_id) == "voided"


@pytest.mark.parametrize("how", ["void", "cancel"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"do": "latency", "seconds": 55}, id="the answer arrives"),
        pytest.param({"do": "hang"}, id="the answer is lost"),
    ],
)
async def test_taken_back_during_the_send_learns_the_outcome_first(
    office: Office, fault: dict[str, Any], how: str
) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, at="after", **fault)
    handle = await office.start(agreement)
    (document_id,) = await committed(office, agreement.reference)
    assert (await office.status(handle)).document_id is None
    await take_back(handle, how)
    await office.mend()  # lets the response go
    await office.skip(handle, timedelta(minutes=15))
    await until_taken_back(office, handle, how)
    assert await office.documents_of(agreement) == [document_id]
    assert await office.status_at_provider(document_id) == "voided"


@pytest.mark.parametrize("how", ["void", "cancel"])
async def test_taken_back_while_the_send_is_held_back_sends_nothing(office: Office, how: str) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "rate_limit", retry_after="300")
    handle = await office.start(agreement)
    await office.until(handle, lambda status: status.last_error is not None)
    await take_back(handle, how)
    await until_taken_back(office, handle, how)
    assert await office.documents_of(agreement) == []


async def take_back(handle: Handle, how: str) -> None:
    if how == "cancel":
        await handle.cancel()
    else:
        await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="changed our mind"))


async def until_taken_back(office: Office, handle: Handle, how: str) -> None:
    if how == "void":
        assert (await office.result(handle)).outcome is Outcome.VOIDED
        return
    with pytest.raises(WorkflowFailureError) as caught:
        await office.result(handle)
    assert isinstance(caught.value.cause, CancelledError)


async def test_voided_before_anything_was_sent_leaves_nothing(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call("/v1/deliverable", "status", status=503, times=None)
    handle = await office.start(agreement)
    await office.until(handle, lambda status: status.stage is Stage.GENERATING)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="changed our mind"))
    result = await office.result(handle)
    assert (result.outcome, result.reason) == (Outcome.VOIDED, "changed our mind")
    assert await office.documents_of(agreement) == []


async def committed(office: Office, reference: str, *, count: int = 1) -> list[str]:
    """Wait until the provider has so many documents for a reference."""
    agreement = an_agreement(reference=reference)
    return await office.eventually(lambda: office.documents_of(agreement), lambda ids: len(ids) == count)
