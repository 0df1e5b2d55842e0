"""Webhook tricks, refused keys, archives that fail, orphans: the same promises with every provider."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.orphaned_documents import find_orphans
from countersign.agreements.messages import Outcome, Stage, VoidRequest, WaitingFor
from countersign.agreements.reference import workflow_id
from countersign.client.listing import list_agreements
from countersign.providers.calls import Limits
from countersign.providers.circuit import CircuitRules, State
from tests.conformance.conftest import Bench, Open, lacks, set_account
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.thorough

TRICKS = ("duplicate", "reorder", "before_reply", "delay")


@pytest.mark.parametrize("trick", TRICKS)
async def test_webhooks_that_come_twice_or_out_of_order_change_nothing(bench: Bench, trick: str) -> None:
    more = {"seconds": 0.2} if trick == "delay" else {}
    await bench.break_webhooks({"do": trick, "times": None, **more})
    handle, agreement = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.complete(document_id)
    assert (await bench.result(handle)).outcome is Outcome.COMPLETED
    assert await bench.sent_for(agreement) == [document_id]


async def test_a_delivery_without_the_secret_is_refused(bench: Bench) -> None:
    path = bench.subject.account.webhook_path
    headers = {"Content-Type": "application/json"}
    if bench.subject.secret_header:
        headers[bench.subject.secret_header] = "another-secret-0123456789"
    async with httpx.AsyncClient(base_url=bench.receiver.url, trust_env=False) as caller:
        for sent in ({"Content-Type": "application/json"}, headers):
            assert (
                await caller.post(path, json={"event": "DOCUMENT_COMPLETED"}, headers=sent)
            ).status_code == 401


async def test_an_event_that_lies_ends_nothing(bench: Bench) -> None:
    """A webhook is a hint: a completion that the provider does not confirm is only a reason to ask."""
    handle, _ = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.deliver_event(handle, "completed", document_id)
    await bench.until(handle, lambda status: status.stage is Stage.AWAITING_SIGNATURES)
    await asyncio.sleep(0)
    assert (await bench.status(handle)).result is None
    await bench.complete(document_id)
    assert (await bench.result(handle)).outcome is Outcome.COMPLETED


async def test_a_refused_key_blocks_the_account_until_another_is_there(open_bench: Open) -> None:
    bench = await open_bench(time_scale=50, rules=CircuitRules(cooldown=0.5))
    good = bench.key[0]
    bench.key[0] = bench.subject.settings_at(bench.sandbox.url, f"{bench.subject.api_key}-wrong")
    assert await bench.keys.renew(good)
    handle, agreement = await bench.begin()

    async def state() -> State:
        return bench.opened.circuit.snapshot().state

    await bench.eventually(state, lambda state: state is State.BLOCKED)
    bench.key[0] = good
    again, _ = await bench.begin()
    await bench.complete(await bench.sent(again))
    assert (await bench.result(again)).outcome is Outcome.COMPLETED
    del handle, agreement


async def test_an_archive_that_fails_is_repeated_and_signed_stays_signed(bench: Bench) -> None:
    await bench.break_calls({"path": bench.subject.download, "do": "status", "status": 503, "times": 2})
    handle, _ = await bench.begin()
    await bench.complete(await bench.sent(handle))
    result = await bench.result(handle)
    assert (result.outcome, result.archive is not None) == (Outcome.COMPLETED, True)


async def test_the_provider_being_down_costs_time_and_nothing_else(bench: Bench) -> None:
    await bench.break_calls({"path": "*", "do": "status", "status": 503, "times": 4})
    handle, agreement = await bench.begin()
    status = await bench.until(
        handle, lambda status: status.document_id is not None or status.needs_attention is not None
    )
    if status.document_id is None:
        await bench.resolve(handle, "send_again")
    document_id = await bench.sent(handle)
    await bench.complete(document_id)
    assert (await bench.result(handle)).outcome is Outcome.COMPLETED
    assert await bench.sent_for(agreement) == [document_id]


async def test_a_terminated_agreement_leaves_an_orphan_that_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    account = bench.subject.account
    set_account(monkeypatch, bench)
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path))
    handle, agreement = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.client.get_workflow_handle(workflow_id(agreement.reference)).terminate("by mistake")

    async def listed() -> bool:
        found = await list_agreements(account=account.name, ended=True, client=bench.client)
        return any(item.reference == agreement.reference and item.ended_at for item in found)

    await bench.eventually(listed, bool)
    since = datetime.now(UTC) - timedelta(hours=1)
    found = await find_orphans(since=since, account=account.name, client=bench.client)
    assert document_id in {document.document_id for document in found.documents}


async def test_no_credential_to_sign_leaves_the_receiver(bench: Bench) -> None:
    if bench.subject.secret_header is None:
        lacks(bench.subject, "tokens in webhooks")
    handle, _ = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.complete(document_id)
    await bench.result(handle)
    deliveries = (await bench.sandbox.call("GET", f"/_sandbox/deliveries?document={document_id}"))[
        "deliveries"
    ]
    tokens = {
        person["token"] for delivery in deliveries for person in json.loads(delivery["payload"])["recipients"]
    }
    assert tokens
    history = await handle.fetch_history()
    text = history.to_json() + bench.receiver.logged()
    assert not [token for token in tokens if token in text]


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize(
    "fault", [{"do": "status", "status": 500}, {"do": "drop"}], ids=["500", "dropped connection"]
)
async def test_a_void_with_a_lost_response_ends_voided(bench: Bench, at: str, fault: dict[str, Any]) -> None:
    handle, agreement = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.break_calls({"path": bench.subject.void, "method": "POST", "at": at, **fault})
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="No longer needed."))
    assert (await bench.result(handle)).outcome is Outcome.VOIDED
    assert (await bench.shown(document_id))["state"] == "voided"
    assert await bench.sent_for(agreement) == [document_id]


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_reminder_that_may_have_been_sent_is_not_repeated(bench: Bench, at: str) -> None:
    handle, _ = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await bench.break_calls({"path": bench.subject.remind, "method": "POST", "at": at, "do": "drop"})
    await handle.execute_update(AgreementWorkflow.remind)
    await bench.until(handle, lambda status: "a reminder failed" in str(status.last_error))
    await bench.complete(document_id)
    assert (await bench.result(handle)).outcome is Outcome.COMPLETED
    entries = (await bench.sandbox.ledger())["entries"]
    sent = [
        entry for entry in entries if entry["kind"] == "reminder_sent" and entry["subject"] == document_id
    ]
    assert len(sent) == (1 if at == "after" else 0)


async def test_a_check_that_fails_is_repeated(bench: Bench) -> None:
    await bench.break_webhooks({"do": "drop", "times": None})
    handle, _ = await bench.begin()
    document_id = await bench.sent(handle)
    await bench.complete(document_id)
    fault = {"path": bench.subject.reads, "method": "GET", "do": "status", "status": 503, "times": 2}
    await bench.break_calls(fault)
    await bench.deliver_event(handle, "completed", document_id)
    result = await bench.result(handle)
    assert (result.outcome, result.archive is not None) == (Outcome.COMPLETED, True)


async def test_a_retry_after_is_obeyed(bench: Bench) -> None:
    method, path = bench.subject.writes[-1]
    await bench.break_calls({"path": path, "method": method, "do": "rate_limit", "retry_after": 2})
    handle, agreement = await bench.begin()
    document_id = await bench.sent(handle)
    entries = (await bench.sandbox.ledger())["entries"]
    (sent,) = [
        entry for entry in entries if entry["kind"] == bench.subject.sent and entry["subject"] == document_id
    ]
    begun = (await handle.describe()).start_time
    assert datetime.fromisoformat(sent["at"]) - begun >= timedelta(seconds=2)
    assert await bench.sent_for(agreement) == [document_id]


async def test_an_agreement_that_a_person_abandons_ends_so(open_bench: Open) -> None:
    bench = await open_bench(time_scale=600, limits=Limits(write_total=2))
    method, path = bench.subject.writes[-1]
    await bench.break_calls({"path": path, "method": method, "do": "status", "status": 500, "times": None})
    handle, agreement = await bench.begin()
    await bench.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    await bench.resolve(handle, "abandon")
    assert (await bench.result(handle)).outcome is Outcome.ABANDONED
    assert await bench.sent_for(agreement) == []
