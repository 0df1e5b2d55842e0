"""Temporal is lost, the store is kept: agreements go on with their documents, and nothing is sent twice."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from countersign.agreements.messages import AgreementInput, AgreementResult, Outcome, VoidRequest, WaitingFor
from countersign.agreements.reference import workflow_id
from countersign.client.errors import BadInputError, RefusedError
from countersign.client.recovery import lost_agreements, recover_agreement
from countersign.connection import data_converter
from countersign.encryption import EncryptionCodec
from countersign.stored_input import seal
from countersign.testing import start_temporal
from devstack.sandbox import Sandbox
from tests.workflows.office import SEND, Handle, Office, an_agreement, open_office
from tests.workflows.scenarios import NO_ONE

pytestmark = pytest.mark.thorough

SCALE = 50


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rebuilt() -> AsyncIterator[Client]:
    """A Temporal server that knows no agreement."""
    async with start_temporal() as environment:
        yield environment.client


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store that is kept, as the settings name it."""
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path))
    return tmp_path


@pytest_asyncio.fixture
async def before(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, store: Path
) -> AsyncIterator[Office]:
    """An office on the Temporal that is going to be lost."""
    await sandbox.subscribe(NO_ONE)
    async with open_office(client, time_skipper, sandbox, store, time_scale=SCALE) as office:
        yield office
    await sandbox.call("DELETE", "/_sandbox/faults")


@asynccontextmanager
async def office_on(
    client: Client, sandbox: Sandbox, store: Path, *, time_scale: float = SCALE
) -> AsyncIterator[Office]:
    skipper = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
    async with open_office(client, skipper, sandbox, store, time_scale=time_scale) as office:
        yield office


@pytest_asyncio.fixture
async def after(rebuilt: Client, sandbox: Sandbox, store: Path) -> AsyncIterator[Office]:
    """An office on the rebuilt Temporal, with the same store and provider."""
    async with office_on(rebuilt, sandbox, store) as office:
        yield office


async def recovered(office: Office, agreement: AgreementInput) -> Handle:
    await recover_agreement(agreement.reference, task_queue=office.task_queue, client=office.client)
    handle: Handle = office.client.get_workflow_handle(
        workflow_id(agreement.reference), result_type=AgreementResult
    )
    return handle


async def lost(office: Office) -> dict[str, str | None]:
    return {item.reference: item.obstacle for item in await lost_agreements(client=office.client)}


async def test_a_lost_agreement_goes_on_with_its_document(before: Office, after: Office) -> None:
    agreement = an_agreement()
    document_id = await before.sent(await before.start(agreement))
    assert await lost(before) == {}, "Temporal still has it"
    assert await lost(after) == {agreement.reference: None}
    await after.break_call("/api/webhooks/*", "drop", times=None)
    handle = await recovered(after, agreement)
    assert await after.sent(handle) == document_id, "without the delivery log"
    assert await lost(after) == {}
    await after.sign_all(document_id)
    await after.deliver_event(handle, "completed", document_id)
    result = await after.result(handle)
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, document_id)
    assert await after.documents_of(agreement) == [document_id]


async def test_what_ended_meanwhile_is_found_at_once(
    before: Office, rebuilt: Client, sandbox: Sandbox, store: Path
) -> None:
    agreement = an_agreement()
    document_id = await before.sent(await before.start(agreement))
    await before.sign_all(document_id)
    async with office_on(rebuilt, sandbox, store, time_scale=1) as office:
        office.patience = 40  # before the first check that an agreement plans
        result = await office.result(await recovered(office, agreement))
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "poll")


async def test_a_deadline_that_passed_meanwhile_still_counts(
    before: Office, after: Office, store: Path
) -> None:
    agreement = an_agreement()
    document_id = await before.sent(await before.start(agreement))
    passed = agreement.model_copy(update={"deadline": datetime.now(UTC) - timedelta(days=1)})
    path = folder(store, agreement) / "input.json"
    path.write_bytes(await seal(passed, before.client.data_converter))
    result = await after.result(await recovered(after, agreement))
    assert result.outcome is Outcome.EXPIRED
    assert await after.status_at_provider(document_id) == "voided"


async def test_a_lost_send_is_searched_for_and_adopted(before: Office, after: Office, store: Path) -> None:
    agreement = an_agreement()
    document_id = await before.sent(await before.start(agreement))
    (folder(store, agreement) / "sent-1.json").unlink()
    handle = await recovered(after, agreement)
    assert await after.sent(handle) == document_id
    assert await after.documents_of(agreement) == [document_id]


async def test_without_a_document_a_person_is_asked_and_may_send(before: Office, after: Office) -> None:
    agreement = an_agreement()
    await before.break_call(SEND, "drop", at="before", times=None)
    handle = await before.start(agreement)
    await before.until(handle, lambda status: status.last_error is not None)
    await before.mend()
    handle = await recovered(after, agreement)
    await after.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    assert await after.documents_of(agreement) == []
    await after.resolve(handle, "send_again")
    document_id = await after.sent(handle)
    assert await after.documents_of(agreement) == [document_id]
    keys = await after.store.keys(f"{after.settings.environment}/default/{agreement.reference}")
    assert {"sending-1.json", "sending-2.2.json", "sent-2.2.json"} <= {key.rpartition("/")[2] for key in keys}


async def test_what_has_ended_is_not_lost(before: Office, after: Office) -> None:
    voided, completed = an_agreement(), an_agreement()
    handle = await before.start(voided)
    await before.sent(handle)
    await handle.execute_update("void", VoidRequest(reason="no longer needed"))
    assert (await before.result(handle)).outcome is Outcome.VOIDED
    handle = await before.start(completed)
    document_id = await before.sent(handle)
    await before.sign_all(document_id)
    await before.deliver_event(handle, "completed", document_id)
    await before.result(handle)
    assert await lost(after) == {}
    with pytest.raises(RefusedError, match="cannot be recovered"):
        await recovered(after, voided)


async def test_an_agreement_without_its_input_is_listed_and_refused(
    before: Office, after: Office, store: Path
) -> None:
    agreement = an_agreement()
    await before.sent(await before.start(agreement))
    (folder(store, agreement) / "input.json").unlink()
    assert await lost(after) == {agreement.reference: "its input is not in the store"}
    with pytest.raises(RefusedError, match="its input is not in the store"):
        await recovered(after, agreement)


async def test_it_can_be_lost_again(before: Office, after: Office, sandbox: Sandbox, store: Path) -> None:
    agreement = an_agreement()
    document_id = await before.sent(await before.start(agreement))
    await after.sent(await recovered(after, agreement))
    async with start_temporal() as third, office_on(third.client, sandbox, store) as office:
        handle = await recovered(office, agreement)
        assert await office.sent(handle) == document_id
    assert await after.documents_of(agreement) == [document_id]


async def test_only_recover_hands_a_claim_on(before: Office, after: Office) -> None:
    agreement = an_agreement()
    await before.sent(await before.start(agreement))
    with pytest.raises(Exception, match="Workflow execution failed"):
        await after.result(await after.start(agreement))
    assert await lost(after) == {}, "Temporal has a workflow of that name"
    assert len(await after.documents_of(agreement)) == 1


async def test_the_stored_input_is_encrypted_as_payloads_are(
    client: Client, rebuilt: Client, sandbox: Sandbox, store: Path
) -> None:
    agreement = an_agreement()
    sealed, other = with_key(client, bytes(32)), with_key(rebuilt, bytes([1]) * 32)
    async with office_on(sealed, sandbox, store) as office:
        document_id = await office.sent(await office.start(agreement))
        content = json.loads((folder(store, agreement) / "input.json").read_text())
        assert content["metadata"].keys() == {"encoding", "encryption-key-id"}
    for client_without_key in (other, rebuilt):
        (found,) = await lost_agreements(client=client_without_key)
        assert found.obstacle == "its input cannot be read: check COUNTERSIGN_ENCRYPTION_KEYS"
        with pytest.raises(BadInputError, match="COUNTERSIGN_ENCRYPTION_KEYS"):
            await recover_agreement(agreement.reference, client=client_without_key)
    async with office_on(with_key(rebuilt, bytes(32)), sandbox, store) as office:
        assert await office.sent(await recovered(office, agreement)) == document_id


def with_key(client: Client, key: bytes) -> Client:
    return Client(
        client.service_client,
        namespace=client.namespace,
        data_converter=data_converter(EncryptionCodec({"one": key})),
    )


def folder(store: Path, agreement: AgreementInput) -> Path:
    (found,) = store.glob(f"*/default/{agreement.reference}")
    return found
