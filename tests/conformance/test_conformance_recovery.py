"""An agreement that Temporal lost finds its document at each provider, and sends none by itself."""

import pytest
import pytest_asyncio

from countersign.client.recovery import recover_agreement
from tests.conformance.conftest import Bench, Handle, Open
from tests.conformance.test_conformance_sends import asked, completes
from tests.lost_workflows import forget

pytestmark = pytest.mark.thorough


@pytest_asyncio.fixture
async def quick(open_bench: Open) -> Bench:
    """A bench whose settle window is ten seconds, and whose attempts have two."""
    return await open_bench(time_scale=60)


async def recovered(bench: Bench, handle: Handle, monkeypatch: pytest.MonkeyPatch) -> Handle:
    """Lose an agreement's workflow and recover it."""
    monkeypatch.setenv("COUNTERSIGN_STORE", str(bench.folder))
    reference = handle.id.removeprefix("agreement-")
    await forget(bench.client, reference)
    await recover_agreement(reference, task_queue=bench.task_queue, client=bench.client)
    return bench.handle(reference)


async def test_a_lost_agreement_is_searched_for_by_its_marker(
    quick: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, agreement = await quick.begin()
    document_id = await quick.sent(handle)
    recorded = [*quick.folder.glob(f"*/*/{agreement.reference.lower()}/sent-*.json")]
    for path in recorded:  # of the last attempt: a quick bench may make several
        path.unlink()
    assert recorded
    handle = await recovered(quick, handle, monkeypatch)
    assert await quick.sent(handle) == document_id
    await completes(quick, handle, agreement)


async def test_without_a_document_a_person_is_asked_though_the_search_be_conclusive(
    quick: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, path = quick.subject.writes[0]
    await quick.break_calls(
        {"path": path, "method": method, "do": "rate_limit", "retry_after": 300, "times": None}
    )
    handle, agreement = await quick.begin()
    await quick.until(handle, lambda status: "postponed" in (status.last_error or ""))  # no send is under way
    handle = await recovered(quick, handle, monkeypatch)
    await quick.mend()
    assert await asked(quick, handle)
    assert await quick.sent_for(agreement) == []
    await quick.resolve(handle, "send_again")
    await completes(quick, handle, agreement)
