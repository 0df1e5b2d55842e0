"""Every branch that an agreement can take, each a short story that ends with its workflow's handle."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from countersign.agreements.messages import ReminderPlan, Stage, TemplateSource, VoidRequest, WaitingFor
from tests.workflows.office import SEND, TEMPLATE, VARIABLES, Handle, Office, an_agreement
from workflows.agreement import AgreementWorkflow

Scenario = Callable[[Office], Awaitable[Handle]]

NO_ONE: Final = "http://127.0.0.1:9/webhooks"
"""An address that refuses webhooks: they stand in the provider's log, and none reaches us."""


async def happy(office: Office) -> Handle:
    handle = await office.start(an_agreement(deadline=datetime.now(UTC) + timedelta(days=30)))
    document_id = await office.sent(handle)
    recipients = await office.sandbox.recipient_ids(document_id)
    for kind in ("viewed", "recipient_signed"):
        for recipient_id in recipients:
            await office.deliver_event(handle, kind, document_id, recipient_id=recipient_id)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    return handle


async def called_back(office: Office) -> Handle:
    """Call back about every event; no one listens, and the agreement does not wait for it."""
    url = f"{NO_ONE.replace('webhooks', 'callbacks')}?signature=canary"
    handle = await office.start(an_agreement(callback_url=url, metadata={"order": "1042"}))
    document_id = await office.sent(handle)
    for recipient_id in await office.sandbox.recipient_ids(document_id):
        await office.deliver_event(handle, "viewed", document_id, recipient_id=recipient_id)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    return handle


async def polled(office: Office) -> Handle:
    handle = await office.start()
    await office.sign_all(await office.sent(handle))
    await office.skip(handle, timedelta(minutes=2))
    return handle


async def expired(office: Office) -> Handle:
    handle = await office.start(an_agreement(deadline=datetime.now(UTC) + timedelta(hours=2)))
    await office.sent(handle)
    await office.skip(handle, timedelta(hours=3))
    return handle


async def voided(office: Office) -> Handle:
    handle = await office.start()
    await office.sent(handle)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="signed on paper"))
    return handle


async def cancelled(office: Office) -> Handle:
    handle = await office.start()
    await office.sent(handle)
    await handle.cancel()
    return handle


async def refused(office: Office) -> Handle:
    return await office.start(an_agreement(source=TemplateSource(template_id="no-such-template")))


async def reminded(office: Office) -> Handle:
    plan = ReminderPlan(after=timedelta(hours=1), every=timedelta(hours=1), at_most=2)
    handle = await office.start(an_agreement(reminders=plan))
    document_id = await office.sent(handle)
    await office.skip(handle, timedelta(hours=3))
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    return handle


async def held_back(office: Office) -> Handle:
    await office.break_call(SEND, "rate_limit", retry_after="1")
    return await happy(office)


async def reconciled(office: Office) -> Handle:
    await office.sandbox.subscribe(NO_ONE)
    await office.break_call(SEND, "drop", at="after")
    handle = await office.start()
    await office.skip(handle, timedelta(minutes=15))
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    return handle


async def needs_attention(office: Office) -> Handle:
    await office.break_call(SEND, "drop", at="before")
    handle = await office.start()
    await office.skip(handle, timedelta(minutes=15))
    await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    await office.resolve(handle, "send_again")
    document_id = await office.sent(handle)
    await office.deliver_event(handle, "sent", "a-twin")
    await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    await office.resolve(handle, "keep")
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    return handle


async def reviewed(office: Office) -> Handle:
    source = TemplateSource(template_id=TEMPLATE, variables=VARIABLES)
    handle = await office.start(an_agreement(source=source, review=True))
    await office.until_stage(handle, Stage.IN_REVIEW)
    await office.resolve(handle, "send_now")
    status = await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    document_id = str(status.document_id)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    return handle


async def abandoned(office: Office) -> Handle:
    await office.break_call(SEND, "drop", at="before")
    handle = await office.start()
    await office.skip(handle, timedelta(minutes=15))
    await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    await office.resolve(handle, "abandon")
    return handle


async def finalization_failed(office: Office) -> Handle:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sandbox.call(
        "POST", f"/_sandbox/documents/{document_id}/complete", {"finalization": "fails"}
    )
    await office.deliver_event(handle, "finalization_failed", document_id)
    await office.until_stage(handle, Stage.FINALIZATION_FAILED)
    await office.sandbox.call("POST", f"/_sandbox/documents/{document_id}/finalize", {"announce": False})
    await office.skip(handle, timedelta(days=2))
    return handle


async def archive_failing(office: Office) -> Handle:
    handle = await office.start()
    await office.sign_all(await office.sent(handle))
    await office.break_call("/_sandbox/storage/*", "status", status=500, times=8)
    await office.skip(handle, timedelta(hours=2))
    return handle


async def continued(office: Office) -> Handle:
    handle = await office.start()
    document_id = await office.sent(handle)
    for number in range(220):
        await office.deliver_event(handle, "viewed", document_id, event_id=f"evt_{number}")
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    return handle


SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.__name__: scenario
    for scenario in (
        abandoned,
        archive_failing,
        called_back,
        cancelled,
        continued,
        expired,
        finalization_failed,
        happy,
        held_back,
        needs_attention,
        polled,
        refused,
        reconciled,
        reminded,
        reviewed,
        voided,
    )
}
