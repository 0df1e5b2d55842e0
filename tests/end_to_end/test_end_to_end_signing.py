"""Test agreements over real HTTP: starter, workflow, provider, webhooks, receiver, archive."""

from typing import Any

from countersign.agreements.messages import AgreementStatus, Outcome
from devstack.stack import Stack
from starter import start_agreement
from tests.workflows.office import ADA, GRACE, Handle, Office, an_agreement
from workflows.agreement import AgreementWorkflow


async def test_two_signers_sign_in_their_order(office: Office) -> None:
    started = await start_agreement(an_agreement(), client=office.client)
    handle: Handle = office.client.get_workflow_handle_for(AgreementWorkflow.run, started.workflow_id)
    document_id = await office.sent(handle)
    ada, grace = await office.sandbox.recipient_ids(document_id)
    assert await invited(office, document_id) == [ADA.email]
    await office.sandbox.view(document_id, ada)
    await office.sandbox.sign(document_id, ada)
    await office.until(handle, lambda status: signed(status) == [True, False])
    assert await invited(office, document_id) == [ADA.email, GRACE.email]
    await office.sandbox.sign(document_id, grace)
    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")
    assert signed(await handle.query(AgreementWorkflow.status)) == [True, True]


async def test_an_event_before_the_response_to_the_send_is_kept(office: Office) -> None:
    early: dict[str, Any] = {"webhooks": [{"event": "sent", "do": "before_reply"}]}
    await office.sandbox.call("PUT", "/_sandbox/faults", early)
    handle = await office.start()
    document_id = await office.sent(handle)
    assert await came_before_the_answer(handle)
    await office.sandbox.complete(document_id)
    result = await office.result(handle)
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, document_id)


async def test_an_unknown_event_is_recorded(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await announce(office, document_id, "signature.document.delegated")
    status = await office.until(handle, lambda status: status.ignored == 1)
    assert status.result is None
    await office.sandbox.complete(document_id)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_a_receiver_that_was_down_gets_what_it_missed(stack: Stack, office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sandbox.call("PATCH", "/_sandbox/behaviour", {"retry_delays": [600, 600]})
    stack.supervisor.kill("receiver")
    await office.sandbox.complete(document_id)
    await office.eventually(lambda: retried(office, document_id), bool)
    await stack.supervisor.restart("receiver")
    await office.sandbox.call("POST", "/_sandbox/clock", {"seconds": 601})
    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")
    await office.sandbox.call("PATCH", "/_sandbox/behaviour", {"retry_delays": [1, 2]})


async def retried(office: Office, document_id: str) -> bool:
    """Whether the provider has failed to deliver `completed`, and will retry."""
    path = "/api/webhooks/signature/deliveries?eventType=signature.document.completed"
    log = (await office.sandbox.call("GET", path))["data"]["results"]
    return any(document_id in str(entry) and entry["status"] == "retrying" for entry in log)


async def came_before_the_answer(handle: Handle) -> bool:
    """Whether the history has the first signal before the result of the send."""
    send = signal = answer = 0
    async for event in handle.fetch_history_events():
        if event.activity_task_scheduled_event_attributes.activity_type.name == "send":
            send = event.event_id
        if event.HasField("workflow_execution_signaled_event_attributes"):
            signal = signal or event.event_id
        if send and event.activity_task_completed_event_attributes.scheduled_event_id == send:
            answer = event.event_id
    return 0 < signal < answer


def signed(status: AgreementStatus) -> list[bool]:
    return [signer.signed_at is not None for signer in status.signers]


async def invited(office: Office, document_id: str) -> list[str]:
    emails = await office.sandbox.call("GET", f"/_sandbox/emails?document={document_id}")
    return [email["address"] for email in reversed(emails["emails"]) if email["kind"] == "signature_request"]


async def announce(office: Office, document_id: str, event: str) -> None:
    """Let the provider deliver an event of an unknown kind."""
    await office.sandbox.call("PATCH", "/_sandbox/behaviour", {"test_payload": "bare"})
    title = (await office.sandbox.call("GET", f"/_sandbox/documents/{document_id}"))["name"]
    payload = {
        "event": event,
        "event_id": f"evt_{document_id}",
        "created_at": "2027-01-01T00:00:00Z",
        "version": "2.0",
        "data": {"document_id": document_id, "title": title, "delegated_to": "somebody"},
    }
    body = {"eventType": "signature.document.sent", "payload": payload}
    answer = await office.sandbox.call("POST", "/api/webhooks/signature/notify", body)
    await office.sandbox.call("PATCH", "/_sandbox/behaviour", {"test_payload": "wrapped"})
    assert answer["data"]["summary"]["successful"] == 1
