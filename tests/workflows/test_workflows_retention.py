"""What has ended is deleted by policy; what runs, is on hold, or may not have ended is never touched."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from countersign.agreements.messages import AgreementInput, VoidRequest
from countersign.client.erasure import erase_agreement, plan_erasure
from countersign.client.errors import RefusedError
from countersign.client.retention import (
    Retention,
    _in_order,
    ended_agreements,
    hold,
    purge_agreement,
    release_hold,
)
from countersign.storage import Claims, FolderStore, put
from countersign.storage.references import StoredReference, stored_reference, stored_references
from countersign.storage.store import StoreKeys
from countersign.testing import start_temporal
from devstack.sandbox import Sandbox
from tests.storage.disks import files_in
from tests.workflows.office import Office, an_agreement, open_office
from tests.workflows.scenarios import NO_ONE
from tests.workflows.test_workflows_claims import NOWHERE

pytestmark = pytest.mark.thorough


@pytest_asyncio.fixture
async def office(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Office]:
    """An office whose store is the one of the settings."""
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path))
    await sandbox.subscribe(NO_ONE)
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        yield office


async def completed(office: Office) -> AgreementInput:
    agreement = an_agreement()
    handle = await office.start(agreement)
    document_id = await office.sent(handle)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    await office.result(handle)
    return agreement


async def voided(office: Office) -> AgreementInput:
    agreement = an_agreement()
    handle = await office.start(agreement)
    await office.sent(handle)
    await handle.execute_update("void", VoidRequest(reason="no longer needed"))
    await office.result(handle)
    return agreement


async def failed(office: Office) -> AgreementInput:
    agreement = an_agreement(source=NOWHERE)
    handle = await office.start(agreement)
    with pytest.raises(Exception, match="Workflow execution failed"):
        await office.result(handle)
    return agreement


async def running(office: Office) -> AgreementInput:
    agreement = an_agreement()
    await office.sent(await office.start(agreement))
    return agreement


async def terminated(office: Office) -> AgreementInput:
    agreement = await running(office)
    await office.handle(agreement.reference).terminate()
    return agreement


def folder(office: Office, agreement: AgreementInput) -> Path:
    return office.folder / office.settings.environment / "default" / agreement.reference


async def kept(office: Office, before: datetime) -> dict[str, tuple[str, Retention]]:
    found = await ended_agreements(before, client=office.client)
    return {item.reference: (item.outcome, item.retention) for item in found}


async def test_only_what_is_known_to_have_ended_before_is_deleted(office: Office) -> None:
    begin = datetime.now(UTC)
    ended = [await completed(office), await voided(office), await failed(office)]
    others = [await running(office), await terminated(office)]
    now = datetime.now(UTC)
    assert await kept(office, begin) == {}
    assert await kept(office, now) == {
        agreement.reference: (outcome, Retention.DELETE)
        for agreement, outcome in zip(ended, ("completed", "voided", "failed"), strict=True)
    }
    for agreement in others:
        with pytest.raises(RefusedError, match="not known to have ended"):
            await purge_agreement(agreement.reference, now, client=office.client)
    for agreement in ended:
        with pytest.raises(RefusedError, match="not known to have ended before then"):
            await purge_agreement(agreement.reference, begin, client=office.client)
        files = len(files_in(folder(office, agreement)))
        assert await purge_agreement(agreement.reference, now, client=office.client) == files
        assert files_in(folder(office, agreement)) == set()
    assert all("claim.json" in files_in(folder(office, agreement)) for agreement in others)
    assert await kept(office, now) == {}


async def test_a_claim_of_another_kind_stays(office: Office) -> None:
    agreement = await voided(office)
    names = StoreKeys(office.settings.environment, "default")
    await Claims(office.store, names, kind="quote").claim(agreement.reference, "a run of another workflow")
    await purge_agreement(agreement.reference, datetime.now(UTC), client=office.client)
    assert files_in(folder(office, agreement)) == {"quote-claim.json"}


async def test_what_is_on_hold_stays_until_the_hold_ends(office: Office) -> None:
    agreement = await voided(office)
    now = datetime.now(UTC)
    for _ in range(2):
        await hold(agreement.reference, client=office.client)
    assert (await kept(office, now))[agreement.reference] == ("voided", Retention.ON_HOLD)
    with pytest.raises(RefusedError, match="is on hold: it was not deleted"):
        await purge_agreement(agreement.reference, now, client=office.client)
    await release_hold(agreement.reference, client=office.client)
    with pytest.raises(RefusedError, match="is not on hold"):
        await release_hold(agreement.reference, client=office.client)
    assert await purge_agreement(agreement.reference, now, client=office.client)


async def test_what_runs_again_after_a_restore_stays(office: Office) -> None:
    agreement = await running(office)
    end = '{"outcome": "voided", "at": "2020-01-01T00:00:00+00:00"}'
    (folder(office, agreement) / "end.json").write_text(end)
    now = datetime.now(UTC)
    assert (await kept(office, now))[agreement.reference] == ("voided", Retention.RUNNING)
    with pytest.raises(RefusedError, match="is running"):
        await purge_agreement(agreement.reference, now, client=office.client)


async def test_a_purged_reference_is_as_if_never_used(
    office: Office, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Once Temporal has forgotten it, too, a start with the same reference sends again."""
    agreement = await completed(office)
    await purge_agreement(agreement.reference, datetime.now(UTC), client=office.client)
    async with start_temporal() as forgetful:
        skipper = TimeSkipper(forgetful.client, config=TimeSkippingConfig(enabled=False))
        async with open_office(forgetful.client, skipper, sandbox, tmp_path) as later:
            await later.sent(await later.start(agreement))
    assert len(await office.documents_of(agreement)) == 2


async def test_people_are_erased_once_and_the_reference_stays_used(
    office: Office, sandbox: Sandbox, tmp_path: Path
) -> None:
    agreement = await completed(office)
    before = files_in(folder(office, agreement))
    kept_files = {"claim.json", "end.json", "sending-1.json", "sent-1.json"}
    planned = await plan_erasure(agreement.reference, client=office.client)
    assert (planned.in_temporal, planned.has_ended) == (True, True)
    assert [planned.document_id] == await office.documents_of(agreement)
    assert files_in(folder(office, agreement)) == before, "a plan changes nothing"
    assert await erase_agreement(agreement.reference, client=office.client) == planned
    assert {key.rpartition("/")[2] for key in planned.deleted} == before - kept_files
    assert files_in(folder(office, agreement)) == kept_files
    async with start_temporal() as forgetful:
        again = await erase_agreement(agreement.reference, client=forgetful.client)
        assert (again.deleted, again.in_temporal) == ((), False)
        assert again.document_id == planned.document_id
        skipper = TimeSkipper(forgetful.client, config=TimeSkippingConfig(enabled=False))
        async with open_office(forgetful.client, skipper, sandbox, tmp_path) as later:
            with pytest.raises(Exception, match="Workflow execution failed"):
                await later.result(await later.start(agreement))
    assert len(await office.documents_of(agreement)) == 1
    await purge_agreement(agreement.reference, datetime.now(UTC), client=office.client)
    assert files_in(folder(office, agreement)) == set(), "purge deletes what an erasure kept"


async def test_what_runs_is_on_hold_or_is_unknown_is_not_erased(office: Office) -> None:
    active, held = await running(office), await voided(office)
    await hold(held.reference, client=office.client)
    for agreement, why in (
        (active, rf"is running: .*`countersign void {active.reference} --reason"),
        (held, rf"is on hold: .*`countersign hold remove {held.reference}`"),
        (an_agreement(), "the store knows no such agreement"),
    ):
        before = files_in(folder(office, agreement))
        with pytest.raises(RefusedError, match=why):
            await erase_agreement(agreement.reference, client=office.client)
        assert files_in(folder(office, agreement)) == before


async def test_what_was_terminated_can_be_erased(office: Office) -> None:
    agreement = await terminated(office)
    erased = await erase_agreement(agreement.reference, client=office.client)
    assert (erased.has_ended, erased.in_temporal) == (False, True)
    assert "input.json" not in files_in(folder(office, agreement))


def test_the_claim_is_deleted_last_and_the_end_before_it() -> None:
    names = StoreKeys("production", "default")
    keys = ["claim.2.json", "claim.json", "end.json", "input.json", "sending-1.json", "signed.pdf"]
    stored = StoredReference(
        "order-1", frozenset(f"{names.of_reference('order-1')}/{key}" for key in keys), names
    )
    order = [key.rpartition("/")[2] for key in _in_order(stored)]
    assert order[3:] == ["end.json", "claim.2.json", "claim.json"]
    assert sorted(order) == sorted(keys)


async def test_a_reference_that_is_named_as_a_folder_leaves_the_batches_alone(tmp_path: Path) -> None:
    store, keys = FolderStore(tmp_path), StoreKeys("test", "default")
    rows = keys.rows("spring-renewal", "0" * 64, 0)
    await put(store, rows, b"{}")
    assert await Claims(store, keys).claim("batches", "run")
    stored = await stored_reference(store, keys, "batches")
    assert stored.keys == {keys.claim("batches")}, "what purge deletes"
    assert await stored_references(store, keys) == [stored]
