"""Kill one part at one moment of an agreement: nothing is sent twice, nothing is lost."""

import pytest

from countersign.agreements.messages import Outcome, WaitingFor
from tests.chaos.chaos_collect import shown
from tests.chaos.chaos_scene import Scene
from tests.workflows.office import SEND, an_agreement

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]

GENERATE = "/v1/deliverable"
FILE = "/_sandbox/storage/*"


async def test_a_worker_killed_before_the_send_generates_and_sends_once(scene: Scene) -> None:
    agreement = an_agreement()
    await scene.slow("POST", GENERATE, at="after")
    handle = await scene.office.start(agreement)
    await scene.until_committed("deliverable_created", agreement.reference)
    await scene.disrupt(await scene.holder(handle))
    result, case = await scene.completed(handle, agreement.reference)
    assert (result.outcome, case.unknown_sends) == (Outcome.COMPLETED, 0)
    ledger = await scene.office.sandbox.call("GET", "/_sandbox/ledger?kind=deliverable_created")
    assert len([entry for entry in ledger["entries"] if agreement.reference in str(entry)]) == 1


async def test_a_worker_killed_in_the_send_adopts_what_the_provider_did_later(scene: Scene) -> None:
    agreement = an_agreement()
    await scene.slow("POST", SEND, at="before")
    handle = await scene.office.start(agreement)
    await scene.until_called()
    await scene.disrupt(await scene.holder(handle))
    result, case = await scene.completed(handle, agreement.reference)
    assert (result.outcome, case.unknown_sends, len(case.documents)) == (Outcome.COMPLETED, 1, 1)


async def test_a_worker_killed_in_a_send_that_the_provider_never_did_asks_a_person(scene: Scene) -> None:
    agreement = an_agreement()
    await scene.slow("POST", SEND, at="before", do="hang")
    handle = await scene.office.start(agreement)
    await scene.until_called()
    await scene.disrupt(await scene.holder(handle))
    await scene.office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    assert await scene.office.documents_of(agreement) == []
    await scene.office.resolve(handle, "abandon")
    assert (await scene.office.result(handle)).outcome is Outcome.ABANDONED


async def test_the_ledger_shows_a_document_that_the_workflow_overlooked(scene: Scene) -> None:
    """The second rule must distinguish a lost send from one that the workflow did not search for."""
    agreement = an_agreement()
    faults = {
        "api": [
            {"path": SEND, "do": "drop", "at": "after"},
            {"path": "/api/webhooks/*", "do": "status", "status": 403, "body": "", "times": None},
        ],
        "webhooks": [{"do": "drop", "times": None}],
    }
    await scene.office.sandbox.call("PUT", "/_sandbox/faults", faults)
    handle = await scene.office.start(agreement)
    await scene.office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    found = await shown(scene.stack, {agreement.reference})
    assert found == {agreement.reference: 1}
    (document_id,) = await scene.office.documents_of(agreement)
    await scene.office.resolve(handle, "adopt", document_id)
    await scene.office.mend()
    assert (await scene.completed(handle, agreement.reference))[0].document_id == document_id


async def test_a_worker_killed_between_commit_and_report_adopts_the_same_document(scene: Scene) -> None:
    agreement = an_agreement()
    await scene.slow("POST", SEND, at="after")
    handle = await scene.office.start(agreement)
    await scene.until_committed("document_created", agreement.reference)
    await scene.disrupt(await scene.holder(handle))
    result, case = await scene.completed(handle, agreement.reference)
    assert (result.outcome, case.unknown_sends) == (Outcome.COMPLETED, 1)
    assert [document.document_id for document in case.documents] == [result.document_id]


async def test_a_worker_killed_in_the_download_archives_once(scene: Scene) -> None:
    agreement = an_agreement()
    handle = await scene.office.start(agreement)
    document_id = await scene.office.sent(handle)
    await scene.slow("GET", FILE, at="before")
    await scene.office.sign_all(document_id)
    await scene.until_called()
    await scene.disrupt(await scene.holder(handle))
    assert (await scene.office.result(handle)).outcome is Outcome.COMPLETED
    assert (await scene.check_rules(agreement.reference)).archivings == 1


async def test_a_frozen_worker_that_comes_back_changes_nothing(scene: Scene) -> None:
    """Its send has timed out, and another worker has adopted the document."""
    agreement = an_agreement()
    await scene.slow("POST", SEND, at="after", seconds=1)
    handle = await scene.office.start(agreement)
    await scene.until_committed("document_created", agreement.reference)
    await scene.disrupt(await scene.holder(handle), "freeze", seconds=12)
    result, case = await scene.completed(handle, agreement.reference)
    assert (result.outcome, case.unknown_sends, len(case.documents)) == (Outcome.COMPLETED, 1, 1)


async def test_temporal_killed_in_the_send_still_gets_its_result(scene: Scene) -> None:
    agreement = an_agreement()
    await scene.slow("POST", SEND, at="after", seconds=1)
    handle = await scene.office.start(agreement)
    await scene.until_committed("document_created", agreement.reference)
    await scene.disrupt("temporal")
    result, case = await scene.completed(handle, agreement.reference)
    assert (result.outcome, len(case.documents)) == (Outcome.COMPLETED, 1)


async def test_a_provider_killed_between_commit_and_response_is_checked_again(scene: Scene) -> None:
    agreement = an_agreement()
    await scene.slow("POST", SEND, at="after")
    handle = await scene.office.start(agreement)
    await scene.until_committed("document_created", agreement.reference)
    await scene.disrupt("sandbox")
    result, case = await scene.completed(handle, agreement.reference)
    assert (result.outcome, case.unknown_sends, len(case.documents)) == (Outcome.COMPLETED, 1, 1)
