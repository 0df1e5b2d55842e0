"""The two-step send: created without e-mails, then each signer invited once, when it is their turn."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.local.sandbox import Sandbox
from tests.workflows.office import (
    ADA,
    GRACE,
    INVITE,
    SEND,
    Handle,
    Office,
    an_agreement,
    open_office,
    steps_of,
)
from tests.workflows.scenarios import NOBODY
from workflows.agreement import AgreementWorkflow
from workflows.messages import AgreementStatus, Outcome, VoidRequest, WaitingFor


@pytest_asyncio.fixture
async def office(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Office]:
    """An office whose sends e-mail nobody; the provider's webhooks reach nobody."""
    await sandbox.subscribe(NOBODY)
    async with open_office(client, time_skipper, sandbox, tmp_path, two_step_send=True) as office:
        yield office
    await office.mend()


async def invited(office: Office, document_id: str) -> Counter[str]:
    """Count who was asked to sign, by e-mail."""
    answer = await office.sandbox.call("GET", f"/_sandbox/emails?document={document_id}")
    return Counter(each["address"] for each in answer["emails"] if each["kind"] == "signature_request")


async def until_invited(office: Office, document_id: str, *addresses: str) -> None:
    """Wait until these, and nobody else, were asked to sign: once each."""
    await office.eventually(lambda: invited(office, document_id), lambda found: found == Counter(addresses))


async def sign_first(office: Office, document_id: str) -> str:
    """Sign as the first signer, and return their id."""
    first, *_ = await office.sandbox.recipient_ids(document_id)
    await office.sandbox.sign(document_id, first)
    return first


def is_uncertain(status: AgreementStatus) -> bool:
    return bool(status.uncertain_invitations)


async def in_doubt(office: Office, handle: Handle) -> AgreementStatus:
    """Wait until a person is asked whether signers were invited."""
    await office.skip(handle, timedelta(minutes=30))
    return await office.until(handle, is_uncertain)


async def finish(office: Office, handle: Handle, document_id: str) -> None:
    await office.sign_all(document_id)
    await office.tell(handle, "completed", document_id)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_each_signer_is_invited_once_when_their_turn_has_come(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await until_invited(office, document_id, ADA.email)
    ada = await sign_first(office, document_id)
    assert await invited(office, document_id) == Counter([ADA.email])
    await office.tell(handle, "recipient_signed", document_id, recipient_id=ada)
    await until_invited(office, document_id, ADA.email, GRACE.email)
    await office.tell(handle, "partially_signed", document_id, recipient_id=ada)
    await finish(office, handle, document_id)
    await until_invited(office, document_id, ADA.email, GRACE.email)
    steps = [each.what for each in await handle.query(AgreementWorkflow.timeline)]
    assert steps.count("invited") == 2


async def test_the_poll_invites_whom_no_webhook_told_of(office: Office) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await until_invited(office, document_id, ADA.email)
    await sign_first(office, document_id)
    await office.skip(handle, timedelta(minutes=2))
    await until_invited(office, document_id, ADA.email, GRACE.email)


async def test_those_who_may_sign_at_once_are_invited_at_once(office: Office) -> None:
    both = [signer.model_copy(update={"order": 1}) for signer in (ADA, GRACE)]
    handle = await office.start(an_agreement(signers=both))
    document_id = await office.sent(handle)
    await until_invited(office, document_id, ADA.email, GRACE.email)
    await office.until(handle, lambda status: status.stage == "awaiting_signatures")
    calls = [each.what for each in await handle.query(AgreementWorkflow.timeline)].count("invited")
    assert calls == 1


async def test_an_invitation_whose_answer_was_lost_is_not_repeated(office: Office) -> None:
    await office.break_call(INVITE, "drop", at="after")
    handle = await office.start()
    document_id = await office.sent(handle)
    await until_invited(office, document_id, ADA.email)
    await office.skip(handle, timedelta(hours=3))
    status = await office.status(handle)
    assert (status.needs_attention, status.uncertain_invitations) == (None, 0)
    await until_invited(office, document_id, ADA.email)
    await finish(office, handle, document_id)


async def test_an_invitation_that_left_no_trace_waits_for_a_person_who_orders_another(office: Office) -> None:
    await office.break_call(INVITE, "drop", at="before")
    handle = await office.start()
    document_id = await office.sent(handle)
    status = await in_doubt(office, handle)
    assert (status.waiting_for, status.uncertain_invitations) == (WaitingFor.OPERATOR, 1)
    assert "keep (they were) or send_again (they were not)" in (status.needs_attention or "")
    assert await invited(office, document_id) == Counter()
    await office.resolve(handle, "send_again")
    await until_invited(office, document_id, ADA.email)
    await office.until(handle, lambda status: status.needs_attention is None)
    await finish(office, handle, document_id)


async def test_a_person_may_know_that_they_were_invited(office: Office) -> None:
    await office.break_call(INVITE, "drop", at="before")
    handle = await office.start()
    document_id = await office.sent(handle)
    await in_doubt(office, handle)
    await office.resolve(handle, "keep")
    await office.until(handle, lambda status: status.needs_attention is None)
    await office.skip(handle, timedelta(days=2))
    assert await invited(office, document_id) == Counter()
    await finish(office, handle, document_id)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("status", {"status": 400, "body": {"error": "Some recipients are not eligible", "x": []}}),
        ("rate_limit", {"retry_after": "1"}),
    ],
)
async def test_what_was_refused_is_tried_again_at_the_next_look(
    office: Office, fault: str, rule: dict[str, object]
) -> None:
    await office.break_call(INVITE, fault, **rule)
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.until(handle, lambda status: status.last_error is not None)
    assert await invited(office, document_id) == Counter()
    await office.skip(handle, timedelta(minutes=2))
    await until_invited(office, document_id, ADA.email)


async def test_what_is_refused_on_and_on_is_shown(office: Office) -> None:
    await office.break_call(INVITE, "status", status=409, body={"error": "no"}, times=None)
    handle = await office.start()
    await office.sent(handle)
    await office.skip(handle, timedelta(minutes=30))
    status = await office.until(handle, lambda status: status.needs_attention is not None)
    assert (status.uncertain_invitations, status.waiting_for) == (0, WaitingFor.OPERATOR)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="nobody can sign it"))
    assert (await office.result(handle)).outcome is Outcome.VOIDED


async def test_a_lost_send_has_reached_nobody_and_is_adopted(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "drop", at="after")
    handle = await office.start(agreement)
    await office.skip(handle, timedelta(minutes=15))
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]
    await until_invited(office, document_id, ADA.email)


async def test_a_second_document_has_reached_nobody_and_is_left_alone_all_the_same(office: Office) -> None:
    agreement = an_agreement()
    await office.sandbox.call("DELETE", "/api/webhooks/signature")
    await office.break_call(SEND, "drop", at="late", commit_after=1)
    handle = await office.start(agreement)
    await office.skip(handle, timedelta(minutes=15))
    await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    await office.resolve(handle, "send_again")
    ours = await office.sent(handle)
    found = await office.eventually(lambda: office.documents_of(agreement), lambda ids: len(ids) == 2)
    (late,) = {*found} - {ours}
    await office.tell(handle, "sent", late)
    status = await office.until(handle, lambda status: status.candidates == (late,))
    assert status.waiting_for is WaitingFor.OPERATOR
    await until_invited(office, ours, ADA.email)
    assert await invited(office, late) == Counter()
    assert await office.status_at_provider(late) == "under_review"


@pytest.mark.parametrize("begun", [True, False])
async def test_an_agreement_goes_on_as_it_began_whatever_the_setting_is_later(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    begun: bool,  # noqa: FBT001  # a parameter
) -> None:
    queue = uuid.uuid4().hex
    places = client, time_skipper, sandbox, tmp_path
    async with open_office(*places, task_queue=queue, two_step_send=begun) as office:
        handle = await office.start()
        document_id = await office.sent(handle)
        await until_invited(office, document_id, ADA.email)
    async with open_office(*places, task_queue=queue, two_step_send=not begun) as office:
        ada = await sign_first(office, document_id)
        await office.tell(handle, "recipient_signed", document_id, recipient_id=ada)
        await office.skip(handle, timedelta(minutes=2))
        await until_invited(office, document_id, ADA.email, GRACE.email)
        await finish(office, handle, document_id)
    assert (await steps_of(handle)).count("invite") == (2 if begun else 0)
