"""Everything that matters outlives a run: what one hands over is what the next begins with."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.testing import TimeSkipper

from countersign.agreements.messages import Outcome, ReminderPlan, VoidRequest
from countersign.client.follow import follow_agreement
from countersign.client.history import recorded_input
from countersign.client.listing import list_agreements
from devstack.sandbox import Sandbox
from tests.workflows.office import Handle, an_agreement, open_office
from workflows.agreement import progress
from workflows.agreement.state import AgreementState, Carried, RunInput

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CARRIED = Carried(
    progress=progress.adopt(progress.Progress(seen=("e1",), ignored=2), "doc", ("r1", "r2")),
    tag="k3x9qa",
    claim=2,
    account="turbodocx-uk",
    claimed_at=NOW - timedelta(days=8),
    time_scale=30,
    longest_check_wait=timedelta(hours=6),
    stage_since=NOW - timedelta(days=9),
    sent_at=NOW - timedelta(days=8),
    checks=28,
    next_check_at=NOW + timedelta(days=1),
    known_time=NOW,
    reminders=2,
    reminded_at=NOW - timedelta(days=2),
    deadline_passed=True,
    sends=3,
    dismissed=frozenset({"a-twin"}),
    differing={"a-forgery": "title"},
    last_error="a reminder failed",
    provider_message="no",
    generated="a-deliverable",
    review_ended=True,
    reviewed="a-reviewed-document",
    review_url="https://review.example.com",
    callbacks=("callback_url", "crm"),
    called_back=frozenset({"agreement.sent"}),
    attention_called_back="0123456789abcdef",
    watched=True,
    unconfirmed=True,
    end_reported_by="watcher",
    records_end=True,
    void_request=VoidRequest(reason="a mistake"),
    cancelled=True,
    trouble="The provider does not void the document.",
)
OF_ONE_MOMENT = {
    "agreement": "handed over beside it",
    "stage": "an agreement continues only while it awaits signatures, or their finalization: shown anew",
    "waiting_for": "as the stage",
    "inbox": "an agreement does not continue while there is news",
    "recovered": "of use only before the document is known",
    "may_have_sent": "of use only before the document is known",
    "resolution": "as the inbox",
    "remind_now": "as the inbox",
    "unwatched_at": "as the inbox",
    "ended_by": "known at the end",
    "reason": "known at the end",
    "archive": "known at the end",
    "result": "known at the end",
    "ended_at": "known at the end",
    "replays_old_history": "by each run's own start",
    "_attributes": "as _published",
    "_published": "published anew",
}
"""What a run knows and does not hand over, and why."""


def test_what_a_run_hands_over_survives_the_wire() -> None:
    defaults = {name: field.default for name, field in Carried.model_fields.items()}
    assert [name for name, default in defaults.items() if getattr(CARRIED, name) == default] == []
    assert Carried.model_validate_json(CARRIED.model_dump_json()) == CARRIED


def test_nothing_that_a_run_knows_is_forgotten_without_a_reason() -> None:
    state = AgreementState(RunInput(**dict(an_agreement()), carried=CARRIED), NOW)
    assert state.carried == CARRIED
    assert set(vars(state)) - {"carried"} == set(OF_ONE_MOMENT)


def test_reminders_that_were_delayed_do_not_come_at_once() -> None:
    plan = ReminderPlan(after=timedelta(hours=1), every=timedelta(days=1), at_most=9)
    agreement = dict(an_agreement(reminders=plan))

    def next_after(reminded_at: datetime | None) -> datetime | None:
        carried = CARRIED.model_copy(
            update={"sent_at": NOW, "reminders": 2, "reminded_at": reminded_at, "review_ended": True}
        )
        return AgreementState(RunInput(**agreement, carried=carried), NOW).next_reminder_at()

    planned = NOW + timedelta(hours=1, days=2)
    assert next_after(None) == next_after(NOW + timedelta(days=1)) == planned
    assert next_after(NOW + timedelta(days=5)) == NOW + timedelta(days=6)


async def test_an_agreement_goes_on_in_its_next_run_as_it_was(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    plan = ReminderPlan(after=timedelta(hours=1), every=timedelta(days=1), at_most=3)
    agreement = an_agreement(reminders=plan, deadline=datetime.now(UTC) + timedelta(days=30))
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        handle = await office.start(agreement)
        document_id = await office.sent(handle)
        await office.skip(handle, timedelta(hours=2))
        before = await office.until(handle, lambda status: status.reminders == 1)
        began = (await recorded_input(client, handle)).started_at
        followed: list[int] = []

        async def follow() -> None:
            async for status in follow_agreement(agreement.reference, client=client):
                followed.append(status.reminders)  # noqa: PERF401  # it is read while it grows

        async def newest() -> int:
            return followed[-1]

        following = asyncio.create_task(follow())
        first_run = (await handle.describe()).run_id
        for number in range(220):
            await office.deliver_event(handle, "viewed", document_id, event_id=f"evt_{number}")
        await office.eventually(lambda: run_of(handle), lambda run: run != first_run)
        after = await office.status(handle)
        assert after == before
        assert (await recorded_input(client, handle)).started_at == began
        where = f'WorkflowId = "{handle.id}"'
        listed = await list_agreements(where=where, ended=True, client=client)
        assert [(found.reference, found.failed) for found in listed] == [(agreement.reference, False)]
        await office.skip(handle, timedelta(days=7))
        await office.until(handle, lambda status: status.reminders == plan.at_most)
        await office.eventually(newest, lambda reminders: reminders == plan.at_most)
        await office.skip(handle, timedelta(days=30))
        assert (await office.result(handle)).outcome is Outcome.EXPIRED
        await following


async def test_a_cancellation_that_the_provider_does_not_obey_outlives_the_run(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        handle = await office.start()
        document_id = await office.sent(handle)
        await office.break_call("/turbosign/documents/*/void", "status", status=400, times=None)
        first_run = await run_of(handle)
        await handle.cancel()
        for _ in range(60):
            await office.until(handle, lambda status: "does not void" in (status.needs_attention or ""))
            if await run_of(handle) != first_run:
                break
            await office.skip(handle, timedelta(hours=1))
        assert await run_of(handle) != first_run
        await office.mend()
        await office.skip(handle, timedelta(hours=1))
        with pytest.raises(WorkflowFailureError) as ended:
            await office.result(handle)
        assert isinstance(ended.value.cause, CancelledError)
        assert await office.status_at_provider(document_id) == "voided"


async def run_of(handle: Handle) -> str:
    return str((await handle.describe()).run_id)
