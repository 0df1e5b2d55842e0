"""What agreements call back about, from the start to each end."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook
from temporalio.client import Client, WorkflowFailureError
from temporalio.testing import TimeSkipper

from activities.requests import Claimed
from countersign.agreements.callbacks import CALLBACK_WORKFLOW, callbacks_of
from countersign.agreements.messages import CallbackAddress, Outcome, TemplateSource, VoidRequest
from countersign.agreements.names import WORKFLOW_NAME
from countersign.agreements.reference import workflow_id
from countersign.client.errors import ReferenceTakenError
from countersign.client.references import StartedAgreement
from countersign.client.start import start_agreement
from countersign.settings.callbacks import CallbackSettings
from countersign.storage import FolderStore, put
from devstack.sandbox import Sandbox
from tests.callbacks.callback_receiver import OTHER_SECRET, QUERY, SECRET, Receiver, hang, receiving
from tests.workflows.office import SEND, Handle, Office, an_agreement, open_office
from tests.workflows.test_workflows_histories import replayer, runs_of
from workflows.agreement import AgreementWorkflow
from workflows.agreement.state import AgreementState, RunInput

pytestmark = pytest.mark.thorough

WHOLE = ("sent", "viewed-1", "viewed-2", "signed-1", "signed-2", "completed")
"""What a completed agreement calls back about: who signs has viewed."""
METADATA = {"order": "1042", "crm": "süß"}


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest_asyncio.fixture
async def office(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Office]:
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        yield office
    await sandbox.call("DELETE", "/_sandbox/faults")


async def until(office: Office, receiver: Receiver, *types: str) -> None:
    """Wait until just these events have arrived, each of them once."""

    async def arrived() -> list[str]:
        return sorted(receiver.types())

    assert await office.eventually(arrived, lambda found: len(found) >= len(types)) == sorted(types)


async def sign(office: Office, handle: Handle) -> None:
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)


async def test_every_event_arrives_signed_with_the_callers_metadata(
    office: Office, receiver: Receiver
) -> None:
    agreement = an_agreement(callback_url=receiver.url, metadata=METADATA)
    handle = await office.start(agreement)
    document_id = await office.sent(handle)
    (first, _) = await office.sandbox.recipient_ids(document_id)
    await office.deliver_event(handle, "viewed", document_id, recipient_id=first)
    await until(office, receiver, "sent", "viewed-1")
    await sign(office, handle)
    await until(office, receiver, *WHOLE)
    for call in receiver.calls:
        event = Webhook(SECRET).verify(call.body, call.headers)
        assert event["data"]["reference"] == agreement.reference
        assert event["data"]["document_id"] == document_id
        assert event["data"]["metadata"] == METADATA
        assert call.target == f"/hook?{QUERY}"
        assert not any(name in call.body.decode() for name in ("Ada", "Grace", "example.com", "Statement"))
    (end,) = (call.event["data"] for call in receiver.calls if call.type == "completed")
    assert (end["outcome"], end["resolved_by"]) == ("completed", "webhook")
    assert len({call.id for call in receiver.calls}) == len(WHOLE)
    for history in await runs_of(office, handle.id):
        await replayer().replay_workflow(history)


async def test_an_agreement_without_callbacks_starts_no_workflow(office: Office, receiver: Receiver) -> None:
    handle = await office.start(an_agreement())
    await sign(office, handle)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED
    names = {event.event_type async for event in handle.fetch_history_events()}
    assert not any("CHILD" in str(name) for name in names)
    assert receiver.calls == []


async def test_the_end_does_not_wait_for_a_receiver_that_hangs(office: Office, receiver: Receiver) -> None:
    receiver.script = [hang] * 20
    handle = await office.start(an_agreement(callback_url=receiver.url))
    await sign(office, handle)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED
    await until(office, receiver, *WHOLE)


async def test_a_void_an_expiry_and_an_attention_are_reported(office: Office, receiver: Receiver) -> None:
    voided = await office.start(an_agreement(callback_url=receiver.url))
    await office.sent(voided)
    await voided.execute_update(AgreementWorkflow.void, VoidRequest(reason="Ada signed on paper"))
    await until(office, receiver, "sent", "voided")
    assert all(b"Ada" not in call.body for call in receiver.calls)
    receiver.calls.clear()
    expired = await office.start(
        an_agreement(callback_url=receiver.url, deadline=datetime.now(UTC) + timedelta(hours=2))
    )
    await office.sent(expired)
    await office.skip(expired, timedelta(hours=3))
    await until(office, receiver, "sent", "expired")
    receiver.calls.clear()
    await office.sandbox.subscribe("http://127.0.0.1:9/webhooks")
    await office.break_call(SEND, "drop", at="before", times=None)
    lost = await office.start(an_agreement(callback_url=receiver.url))
    await office.skip(lost, timedelta(minutes=15))
    await until(office, receiver, "needs_attention")
    await office.resolve(lost, "send_again")
    await office.skip(lost, timedelta(minutes=15))
    await until(office, receiver, "needs_attention", "needs_attention")
    await office.mend()
    await office.resolve(lost, "abandon")
    await until(office, receiver, "needs_attention", "needs_attention", "abandoned")
    assert len({call.id for call in receiver.calls}) == 3


async def test_a_failure_is_reported_with_its_type(office: Office, receiver: Receiver) -> None:
    refused = await office.start(
        an_agreement(source=TemplateSource(template_id="no-such-template"), callback_url=receiver.url)
    )
    await until(office, receiver, "failed")
    with pytest.raises(WorkflowFailureError):
        await office.result(refused)
    assert receiver.calls[0].event["data"]["error"] == "SourceUnusable"
    receiver.calls.clear()
    late = an_agreement(callback_url=receiver.url, deadline=datetime.now(UTC) - timedelta(days=1))
    await office.start(late)
    await until(office, receiver, "failed")
    assert receiver.calls[0].event["data"]["error"] == "BadInput"


async def test_an_input_that_cannot_be_read_is_reported(office: Office, receiver: Receiver) -> None:
    raw: dict[str, Any] = json.loads(
        an_agreement(callback_url=receiver.url, metadata=METADATA).model_dump_json()
    )
    raw["signers"] = []
    await office.client.start_workflow(
        WORKFLOW_NAME, raw, id=workflow_id(raw["reference"]), task_queue=office.task_queue
    )
    await until(office, receiver, "failed")
    (call,) = receiver.calls
    data = Webhook(SECRET).verify(call.body, call.headers)["data"]
    assert (data["error"], data["reference"], data["metadata"]) == ("BadInput", raw["reference"], METADATA)


async def test_a_secret_of_its_own_signs_an_agreements_callbacks(office: Office, receiver: Receiver) -> None:
    key = f"files/{'0' * 64}.secret"
    await put(FolderStore(office.folder), key, OTHER_SECRET.encode())
    handle = await office.start(an_agreement(callback_url=receiver.url, callback_secret_key=key))
    await office.sent(handle)
    await until(office, receiver, "sent")
    assert Webhook(OTHER_SECRET).verify(receiver.calls[0].body, receiver.calls[0].headers)
    assert OTHER_SECRET not in (await handle.fetch_history()).to_json()


async def test_a_host_that_is_not_allowed_is_refused_before_the_send(office: Office) -> None:
    url = "https://hooks.example.com/x?signature=canary"
    handle = await office.start(an_agreement(callback_url=url))
    with pytest.raises(WorkflowFailureError) as failed:
        await office.result(handle)
    sentence = (
        "callback_url: hooks.example.com may not be called back; COUNTERSIGN_CALLBACKS_HOSTS must name it"
    )
    assert str(failed.value.cause) == f"BadInput: {sentence}"
    history = (await handle.fetch_history()).events
    assert not any(
        event.HasField("start_child_workflow_execution_initiated_event_attributes") for event in history
    )


async def test_subscribers_hear_of_all_agreements_and_their_urls_are_in_no_history(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path, receiver: Receiver
) -> None:
    settings = CallbackSettings(
        allow_loopback=True,
        subscriptions=SecretStr(f"crm {receiver.url} {OTHER_SECRET}"),
        api_url="https://api.example.com/",
    )
    async with open_office(client, time_skipper, sandbox, tmp_path, callbacks=settings) as office:
        agreement = an_agreement()
        handle = await office.start(agreement)
        await sign(office, handle)
        await until(office, receiver, *WHOLE)
        for call in receiver.calls:
            links = Webhook(OTHER_SECRET).verify(call.body, call.headers)["data"]["links"]
            base = f"https://api.example.com/v1/agreements/{agreement.reference}"
            assert links["agreement"] == base
            assert ("document" in links) is (call.type == "completed")
        prefix = callbacks_of(agreement.reference)
        query = f'WorkflowType = "{CALLBACK_WORKFLOW}" and WorkflowId STARTS_WITH "{prefix}"'

        async def delivered() -> list[str]:
            return [workflow.id async for workflow in client.list_workflows(query)]

        ids = await office.eventually(delivered, lambda found: len(found) == len(WHOLE))
        for id_ in (handle.id, *ids):
            history = await client.get_workflow_handle(id_).fetch_history()
            assert "canary" not in history.to_json()


async def test_an_agreement_that_continues_as_new_repeats_no_event(
    office: Office, receiver: Receiver
) -> None:
    handle = await office.start(an_agreement(callback_url=receiver.url))
    document_id = await office.sent(handle)
    first_run = (await handle.describe()).run_id
    for number in range(220):
        await office.deliver_event(handle, "viewed", document_id, event_id=f"evt_{number}")

    async def run() -> str:
        return str((await handle.describe()).run_id)

    await office.eventually(run, lambda found: found != first_run)
    await sign(office, handle)
    await until(office, receiver, *WHOLE)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED
    histories = await runs_of(office, handle.id)
    assert len(histories) > 1
    for history in histories:
        await replayer().replay_workflow(history)


@pytest.mark.parametrize("had_one", [True, False])
async def test_a_repeated_start_moves_the_callbacks_to_its_url(
    office: Office, receiver: Receiver, *, had_one: bool
) -> None:
    first = {"callback_url": receiver.url, "metadata": METADATA} if had_one else {}
    agreement = an_agreement(**first)

    async def start(**changes: Any) -> StartedAgreement:
        return await start_agreement(
            agreement.model_copy(update=changes),
            ask_provider=False,
            task_queue=office.task_queue,
            client=office.client,
        )

    async with receiving() as other:
        assert not (await start()).already_running
        handle = office.handle(agreement.reference)
        await office.sent(handle)
        if had_one:
            await until(office, receiver, "sent")
        moved = {"callback_url": other.url, "metadata": {"execution": "2"}}
        assert (await start(**moved)).already_running
        with pytest.raises(ReferenceTakenError) as taken:
            await start(**moved, title="Other")
        assert taken.value.fields == ("title",)
        await sign(office, handle)
        await until(office, other, *WHOLE[had_one:])
        assert {call.event["data"]["metadata"]["execution"] for call in other.calls} == {"2"}
        assert receiver.types() == (["sent"] if had_one else [])
        await office.result(handle)
        assert (await start(**moved)).already_ended
    for history in await runs_of(office, handle.id):
        await replayer().replay_workflow(history)


def test_a_url_that_comes_while_the_claim_is_made_is_called() -> None:
    now = datetime.now(UTC)
    state = AgreementState(RunInput(**dict(an_agreement())), now)
    state.change_callback(CallbackAddress(callback_url="https://hooks.example.com/"))
    state.keep_to(Claimed(tag="k3x9qa", at=now, callbacks=("crm",)))
    assert state.carried.callbacks == ("callback_url", "crm")
