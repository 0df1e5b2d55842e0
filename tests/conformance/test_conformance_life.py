"""The life of an agreement, the same with every provider."""

import json
from datetime import UTC, datetime, timedelta

from countersign.agreements.messages import Outcome, ReminderPlan, Stage, VoidRequest
from tests.conformance.conftest import GRACE, Bench, Open, lacks
from workflows.agreement import AgreementWorkflow


async def test_it_is_sent_once_signed_and_archived_with_its_evidence(open_bench: Open) -> None:
    bench = await open_bench()  # no check comes before the webhooks, however slow the machine is
    handle, agreement = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await bench.act(document_id, 1, "sign")
    status = await bench.until(handle, lambda status: status.signers[0].signed_at is not None)
    assert status.signers[1].signed_at is None
    await bench.act(document_id, 2, "sign")
    result = await bench.result(handle)
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, document_id)
    assert result.resolved_by == "webhook"
    assert result.archive is not None
    assert (await bench.store.read(result.archive.document.key)).startswith(b"%PDF-")
    assert json.loads(await bench.store.read(result.archive.audit_trail.key))
    for attachment in result.archive.attachments:
        assert (await bench.store.read(attachment.key)).startswith(b"%PDF-")
    assert await bench.sent_for(agreement) == [document_id]


async def test_without_webhooks_the_checks_find_the_end(open_bench: Open) -> None:
    bench = await open_bench(time_scale=600)
    await bench.break_webhooks({"do": "drop", "times": None})
    handle, _ = await bench.begin()
    await bench.complete(await bench.sent(handle))
    result = await bench.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "poll")
    assert result.archive is not None


async def test_a_signer_who_declines_ends_it_with_the_reason(bench: Bench) -> None:
    if not bench.subject.account.plugin.capabilities.declines:
        lacks(bench.subject, "declines")
    handle, _ = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.act(document_id, 1, "decline", reason="The price is wrong.")
    result = await bench.result(handle)
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "signer 1 declined: The price is wrong.")


async def test_signers_are_verified_in_every_way_that_the_provider_has(bench: Bench) -> None:
    if not (kinds := bench.subject.account.plugin.capabilities.identity_verification):
        lacks(bench.subject, "identity verification")
    details = {"sms": {"phone": "+493012345678"}, "external": {"provider": "IDP"}}
    signers = [
        {
            "name": kind,
            "email": f"{kind}@example.com",
            "identity": {"kind": kind} | details.get(kind, {}),
        }
        for kind in sorted(kinds)
    ]
    handle, _ = await bench.begin(signers=signers)
    document_id = await bench.sent(handle)
    await bench.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await bench.complete(document_id)
    assert (await bench.result(handle)).outcome is Outcome.COMPLETED


async def test_a_review_comes_before_the_signers(bench: Bench) -> None:
    if not bench.subject.account.plugin.capabilities.review:
        lacks(bench.subject, "review")
    handle, _ = await bench.begin(review=True)
    await bench.until_stage(handle, Stage.IN_REVIEW)
    await bench.resolve(handle, "send_now")
    status = await bench.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await bench.complete(str(status.document_id))
    assert (await bench.result(handle)).outcome is Outcome.COMPLETED


async def test_voiding_it_voids_the_document(bench: Bench) -> None:
    handle, _ = await bench.begin()
    document_id = await bench.sent(handle)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="No longer needed."))
    result = await bench.result(handle)
    assert (result.outcome, result.reason) == (Outcome.VOIDED, "No longer needed.")
    assert (await bench.shown(document_id))["state"] == "voided"


async def test_a_document_that_people_void_at_the_provider_ends_it(bench: Bench) -> None:
    handle, _ = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.opened.provider.void(document_id, "by hand", idempotency_key="by-hand")
    assert (await bench.result(handle)).outcome is Outcome.VOIDED


async def test_voiding_it_before_the_send_sends_nothing(bench: Bench) -> None:
    method, path = bench.subject.writes[0]
    await bench.break_calls(
        {"path": path, "method": method, "do": "rate_limit", "retry_after": 60, "times": None}
    )
    handle, agreement = await bench.begin()
    await bench.until(handle, lambda status: status.last_error is not None)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="No longer needed."))
    assert (await bench.result(handle)).outcome is Outcome.VOIDED
    assert await bench.sent_for(agreement) == []


async def test_what_is_completed_is_not_voided(bench: Bench) -> None:
    await bench.break_webhooks({"do": "drop", "times": None})
    handle, _ = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.complete(document_id)
    await bench.eventually(lambda: bench.shown(document_id), lambda shown: shown["state"] == "completed")
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="Too late."))
    assert (await bench.result(handle)).outcome is Outcome.COMPLETED


async def test_a_deadline_voids_the_document(bench: Bench) -> None:
    handle, _ = await bench.begin(deadline=datetime.now(UTC) + timedelta(hours=1))
    document_id = await bench.sent(handle)
    await bench.skip(handle, timedelta(hours=1))
    assert (await bench.result(handle)).outcome is Outcome.EXPIRED
    assert (await bench.shown(document_id))["state"] == "voided"


async def test_reminders_reach_those_who_have_not_signed(bench: Bench) -> None:
    handle, _ = await bench.begin(reminders=ReminderPlan(after=timedelta(days=3), at_most=1))
    document_id = await bench.sent(handle)
    await bench.act(document_id, 1, "sign")
    await bench.until(handle, lambda status: status.signers[0].signed_at is not None)
    await handle.execute_update(AgreementWorkflow.remind)
    await bench.until(handle, lambda status: status.reminders == 1)

    async def reminded() -> list[str]:
        entries = (await bench.sandbox.ledger())["entries"]
        return [
            str(entry["details"]["recipient_id"])
            for entry in entries
            if entry["kind"] == "reminder_sent" and entry["subject"] == document_id
        ]

    assert await bench.eventually(reminded, bool) == (await bench.people(document_id))[1:]


async def test_copies_go_to_people_who_do_not_sign(bench: Bench) -> None:
    handle, _ = await bench.begin(cc=("legal@example.com",), signers=(GRACE,))
    await bench.complete(await bench.sent(handle))
    result = await bench.result(handle)
    assert result.outcome is Outcome.COMPLETED
    assert len((await bench.status(handle)).signers) == 1
