"""A reference is used up by a send that may have left; what failed before gives it back, and no one else."""

import asyncio
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from activities.claims import ClaimActivities
from activities.requests import ClaimRequest
from countersign.agreements.events import SignatureEvent
from countersign.agreements.failures import NOTHING_SENT, REFERENCE_USED
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    Outcome,
    TemplateSource,
    WaitingFor,
)
from countersign.agreements.names import WORKFLOW_NAME
from countersign.agreements.reference import workflow_id
from countersign.client.references import StartedAgreement, failed_before_sending
from countersign.client.start import start_agreement
from countersign.providers.registry import accounts
from countersign.storage import Claims, Draft, FolderStore, StorageError, StoredFile
from countersign.storage.store import StoreKeys
from devstack.sandbox import Sandbox
from tests.workflows.office import SEND, Handle, Office, an_agreement, open_office, steps_of

NOWHERE = TemplateSource(template_id="7e3a1c00-0000-4000-8000-00000000dead")


async def _start(office: Office, agreement: AgreementInput) -> tuple[StartedAgreement, Handle]:
    started = await start_agreement(
        agreement, ask_provider=False, task_queue=office.settings.task_queue, client=office.client
    )
    handle: Handle = office.client.get_workflow_handle(started.workflow_id, result_type=AgreementResult)
    return started, handle


async def _failure(office: Office, handle: Handle) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await office.result(handle)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


async def test_what_failed_before_it_was_sent_is_started_again(office: Office) -> None:
    agreement = an_agreement(source=NOWHERE)
    _, handle = await _start(office, agreement)
    assert NOTHING_SENT in (await _failure(office, handle)).details

    mended = an_agreement(reference=agreement.reference)
    started, handle = await _start(office, mended)
    assert (started.already_running, started.already_ended) == (False, False)
    document_id = await office.sent(handle)
    assert await office.documents_of(mended) == [document_id]

    again, _ = await _start(office, mended)
    assert (again.run_id, again.already_running) == (started.run_id, True)


async def test_a_send_that_was_refused_gives_its_reference_back(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "status", status=400, body={"message": "no"})
    _, handle = await _start(office, agreement)
    assert NOTHING_SENT in (await _failure(office, handle)).details
    _, handle = await _start(office, agreement)
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]


async def test_a_send_that_may_have_left_keeps_its_reference(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "drop", at="before")
    handle = await office.start(agreement)
    await office.skip(handle, timedelta(minutes=15))
    await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    await office.break_call(SEND, "status", status=400, body={"message": "no"})
    await office.resolve(handle, "send_again")
    assert NOTHING_SENT not in (await _failure(office, handle)).details
    assert not await failed_before_sending(office.client, agreement.reference)
    started, _ = await _start(office, agreement)
    assert (started.run_id, started.already_ended) == (handle.first_execution_run_id, True)


async def test_a_refusal_beside_a_document_that_an_event_names_asks_a_person(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "status", status=400, body={"message": "no"})
    handle = await office.client.start_workflow(
        WORKFLOW_NAME,
        agreement,
        id=workflow_id(agreement.reference),
        task_queue=office.settings.task_queue,
        result_type=AgreementResult,
        start_signal="signature_event",
        start_signal_args=[SignatureEvent(event_id="e", kind="sent", document_id="a-document-of-ours")],
    )
    status = await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    assert "a-document-of-ours cannot be checked" in str(status.needs_attention)
    await office.resolve(handle, "abandon")
    assert (await office.result(handle)).outcome is Outcome.ABANDONED


def _claims(folder: Path) -> ClaimActivities:
    return ClaimActivities(FolderStore(folder), StoreKeys("test", "default"), accounts())


def _run() -> ClaimRequest:
    return ClaimRequest(reference="order-1042", run_id=str(uuid.uuid4()))


async def _claimed(claims: ClaimActivities, run: ClaimRequest) -> bool:
    try:
        await claims.claim(run)
    except ApplicationError as refused:
        return refused.type != REFERENCE_USED
    return True


async def test_of_many_runs_one_takes_over_what_was_released(tmp_path: Path) -> None:
    claims, first, others = _claims(tmp_path), _run(), [_run() for _ in range(20)]
    await claims.claim(first)
    assert not await _claimed(claims, others[0])
    for _ in range(2):
        await claims.release(first)
    taken = await asyncio.gather(*(_claimed(claims, run) for run in others))
    assert taken.count(True) == 1
    assert await _claimed(claims, others[taken.index(True)])


async def test_kinds_share_a_reference(tmp_path: Path) -> None:
    store, keys = FolderStore(tmp_path), StoreKeys("test", "default")
    agreements, quotes = Claims(store, keys), Claims(store, keys, kind="quote")
    assert await agreements.claim("order-1042", "agreement-run")
    assert await quotes.claim("order-1042", "quote-run", by="sales")
    assert await agreements.claim("order-1042", "quote-run") is None
    assert await quotes.claim("order-1042", "agreement-run") is None
    await quotes.release("order-1042", "quote-run")
    assert await agreements.claim("order-1042", "another-run") is None, "only the quote was released"
    again = await quotes.claim("order-1042", "another-run")
    assert again is not None
    assert (again.number, dict(again.content)) == (2, {"run_id": "another-run"})


async def test_no_one_releases_what_another_run_holds(tmp_path: Path) -> None:
    claims, first, second = _claims(tmp_path), _run(), _run()
    await claims.claim(first)
    await claims.release(second)
    assert not await _claimed(claims, second)


class FailingStore(FolderStore):
    """Fails the first claims."""

    def __init__(self, folder: Path, failures: int) -> None:
        super().__init__(folder)
        self._failures = failures

    async def publish(self, key: str, draft: Draft) -> StoredFile:
        if key.endswith("/claim.json") and self._failures:
            self._failures -= 1
            raise StorageError("store: No space left on device")
        return await super().publish(key, draft)


@pytest.mark.parametrize(("failures", "steps"), [(0, ["send"]), (2, ["claim", "send"])])
async def test_a_claim_is_a_step_of_its_own_only_if_the_store_fails(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    failures: int,
    steps: list[str],
) -> None:
    """So that Temporal retries it and shows what it waits for."""
    store = FailingStore(tmp_path, failures)
    async with open_office(client, time_skipper, sandbox, tmp_path, store=store) as office:
        agreement = an_agreement()
        handle = await office.start(agreement)
        assert [await office.sent(handle)] == await office.documents_of(agreement)
        assert await steps_of(handle) == steps


async def test_a_refused_claim_is_no_step(office: Office) -> None:
    agreement = an_agreement()
    handle = await office.start(agreement)
    await office.sent(handle)
    await handle.terminate()
    again: Handle = await office.client.start_workflow(
        WORKFLOW_NAME,
        agreement,
        id=workflow_id(agreement.reference),
        task_queue=office.settings.task_queue,
        result_type=AgreementResult,
    )
    assert (await _failure(office, again)).type == REFERENCE_USED
    assert await steps_of(again) == []
