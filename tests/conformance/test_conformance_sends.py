"""Whatever happens to a send, its document reaches the signers once, and a status is no evidence."""

from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from countersign.agreements.failures import NOTHING_SENT
from countersign.agreements.messages import AgreementInput, Outcome, WaitingFor
from countersign.providers.calls import Limits
from tests.conformance.conftest import ADA, GRACE, Bench, Handle, Open

REFUSALS = (400, 403, 404, 409, 422)
LOST: dict[str, dict[str, Any]] = {
    "500": {"do": "status", "status": 500},
    "503": {"do": "status", "status": 503, "retry_after": 1},
    "408": {"do": "status", "status": 408},
    "drop": {"do": "drop"},
    "reset": {"do": "reset"},
    "truncated": {"do": "truncate"},
    "not JSON": {"do": "html"},
    "no response": {"do": "hang", "seconds": 5},
}
QUICK = {"500", "drop", "no response"}
HEAVY = [name if name in QUICK else pytest.param(name, marks=pytest.mark.heavy) for name in LOST]


@pytest_asyncio.fixture
async def sending(open_bench: Open) -> Bench:
    """A bench whose settle window is a second, and whose writes may take two."""
    return await open_bench(time_scale=600, limits=Limits(write_total=2))


async def asked(bench: Bench, handle: Handle) -> bool:
    """Wait until the document is known, or a person must decide; return whether a person must."""
    status = await bench.until(
        handle,
        lambda status: status.document_id is not None or status.waiting_for is WaitingFor.OPERATOR,
    )
    return status.document_id is None


async def completes(bench: Bench, handle: Handle, agreement: AgreementInput) -> None:
    document_id = await bench.sent(handle)
    await bench.mend()
    await bench.complete(document_id)
    assert (await bench.result(handle)).outcome is Outcome.COMPLETED
    assert await bench.sent_for(agreement) == [document_id]


def last_write(bench: Bench, **fault: Any) -> dict[str, Any]:
    method, path = bench.subject.writes[-1]
    return {"path": path, "method": method, **fault}


@pytest.mark.thorough
@pytest.mark.parametrize("name", HEAVY)
async def test_a_lost_response_after_the_document_was_sent(sending: Bench, name: str) -> None:
    await sending.break_calls(last_write(sending, at="after", **LOST[name]))
    handle, agreement = await sending.begin()
    assert not await asked(sending, handle)
    await completes(sending, handle, agreement)


@pytest.mark.thorough
@pytest.mark.parametrize("name", HEAVY)
async def test_a_lost_response_before_the_document_was_sent(sending: Bench, name: str) -> None:
    await sending.break_calls(last_write(sending, at="before", **LOST[name]))
    handle, agreement = await sending.begin()
    is_asked = await asked(sending, handle)
    assert is_asked is not sending.subject.account.plugin.capabilities.conclusive_search
    if is_asked:
        await sending.resolve(handle, "send_again")
    await completes(sending, handle, agreement)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "status", [REFUSALS[0], *(pytest.param(item, marks=pytest.mark.heavy) for item in REFUSALS[1:])]
)
async def test_a_refusal_after_the_document_was_sent_is_no_evidence(sending: Bench, status: int) -> None:
    await sending.break_calls(last_write(sending, do="status", status=status, at="after"))
    handle, agreement = await sending.begin()
    assert not await asked(sending, handle)
    await completes(sending, handle, agreement)


async def test_a_throttled_send_that_was_made_is_not_repeated(sending: Bench) -> None:
    await sending.break_calls(last_write(sending, do="rate_limit", retry_after=1, at="after"))
    handle, agreement = await sending.begin()
    assert not await asked(sending, handle)
    await completes(sending, handle, agreement)


@pytest.mark.thorough
async def test_a_throttled_send_that_was_not_made_is_repeated(sending: Bench) -> None:
    await sending.break_calls(last_write(sending, do="rate_limit", retry_after=1))
    handle, agreement = await sending.begin()
    assert not await asked(sending, handle)
    await completes(sending, handle, agreement)


async def test_a_refusal_fails_the_agreement_and_nothing_is_sent(sending: Bench) -> None:
    await sending.break_calls(last_write(sending, do="status", status=400, times=None))
    handle, agreement = await sending.begin()
    with pytest.raises(WorkflowFailureError) as failed:
        await sending.result(handle)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "Rejected"
    assert NOTHING_SENT in failed.value.cause.details
    assert await sending.sent_for(agreement) == []


@pytest.mark.thorough
async def test_another_document_with_the_marker_is_never_taken_for_the_sent_one(sending: Bench) -> None:
    """Not even if it has the same title and signers. A person can have the agreement's own document sent."""
    method, path = sending.subject.writes[0]
    await sending.break_calls({"path": path, "method": method, "do": "rate_limit", "retry_after": 300})
    handle, agreement = await sending.begin()
    marker = await sending.marker(agreement)
    other = await sending.subject.send_by_hand(sending.sandbox, marker, agreement.title, ADA, GRACE)
    assert await asked(sending, handle)
    await sending.resolve(handle, "send_again")
    document_id = await sending.sent(handle)
    await sending.complete(document_id)
    assert (await sending.result(handle)).outcome is Outcome.COMPLETED
    assert document_id != other
    assert (await sending.shown(other))["state"] == "open"


@pytest.mark.thorough
@pytest.mark.parametrize("name", HEAVY)
@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_lost_response_to_an_earlier_write_bothers_no_person(
    sending: Bench, name: str, at: str
) -> None:
    for method, path in sending.subject.writes[:-1]:
        await sending.break_calls({"path": path, "method": method, "at": at, **LOST[name]})
        handle, agreement = await sending.begin()
        assert not await asked(sending, handle)
        await completes(sending, handle, agreement)


@pytest.mark.thorough
async def test_a_send_that_never_heals_comes_to_a_person(sending: Bench) -> None:
    """A 500 may be permanent: a conclusive search alone would repeat it for ever."""
    await sending.break_calls(last_write(sending, do="status", status=500, times=None))
    handle, agreement = await sending.begin()
    assert await asked(sending, handle)
    assert await sending.sent_for(agreement) == []
    await sending.mend()
    await sending.resolve(handle, "send_again")
    await completes(sending, handle, agreement)
