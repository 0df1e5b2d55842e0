"""A status is not evidence: whatever the response to a send says, a document that is there is adopted."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from cli.orphaned_documents import why_orphaned
from countersign.agreements import failures
from countersign.agreements.events import SignatureEvent
from countersign.agreements.failures import NOTHING_SENT, PROVIDER_MESSAGE
from countersign.agreements.messages import Outcome, VoidRequest, WaitingFor
from countersign.agreements.reference import Marker, new_tag
from countersign.client.listing import ListedAgreement, list_agreements
from countersign.webhooks.adapter import ParsedDelivery
from countersign.webhooks.delivery import Delivery, Markers, WorkflowFinder
from countersign.webhooks.outcome import DeliveryOutcome
from countersign.workflow.failures import Effect, effect
from tests.workflows.office import SEND, Handle, Office, an_agreement, steps_of
from tests.workflows.scenarios import NO_ONE
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.thorough

REFUSALS = [
    pytest.param(status, marks=[] if status in {400, 403} else pytest.mark.heavy)
    for status in (400, 402, 403, 404, 409, 410, 413, 422, 451)
]
STATUSES = [*REFUSALS, 401, 429]
NO_LOG: dict[str, Any] = {"path": "/api/webhooks/*", "do": "status", "status": 403, "body": "", "times": None}
HELD_LOG: dict[str, Any] = {"path": "/api/webhooks/*", "do": "hang", "times": None}


@pytest_asyncio.fixture(autouse=True)
async def logged_webhooks(office: Office) -> None:
    await office.sandbox.subscribe(NO_ONE)


def response(status: int, **rule: Any) -> dict[str, Any]:
    headers = {"Retry-After": "1"} if status == 429 else {}
    return {
        "path": SEND,
        "do": "status",
        "status": status,
        "body": {"message": "no"},
        "headers": headers,
        **rule,
    }


async def break_calls(office: Office, *faults: dict[str, Any]) -> None:
    await office.sandbox.call("PUT", "/_sandbox/faults", {"api": list(faults)})


async def failure(office: Office, handle: Handle) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await office.result(handle)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


@pytest.mark.parametrize("status", STATUSES)
async def test_a_document_in_the_delivery_log_is_adopted(office: Office, status: int) -> None:
    agreement = an_agreement()
    await break_calls(office, response(status, at="after"))
    handle = await office.start(agreement)
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]
    assert (await steps_of(handle)).count("send") == 1
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("status", STATUSES)
async def test_a_document_that_an_event_names_is_adopted(office: Office, status: int) -> None:
    """The event comes before the search for evidence ends."""
    agreement = an_agreement()
    await break_calls(office, response(status, at="after"), HELD_LOG)
    handle = await office.start(agreement)
    (document_id,) = await office.eventually(lambda: office.documents_of(agreement), bool)
    await office.deliver_event(handle, "sent", document_id)
    await break_calls(office, NO_LOG)
    assert await office.sent(handle) == document_id
    assert await office.documents_of(agreement) == [document_id]


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_plain_refusal_fails_within_seconds_after_one_search(office: Office, status: int) -> None:
    agreement = an_agreement()
    await break_calls(office, response(status))
    handle = await office.start(agreement)
    error = await failure(office, handle)
    assert error.type in {"Rejected", "Unauthorised"}
    assert error.details == ({PROVIDER_MESSAGE: "no"}, NOTHING_SENT)
    assert [step for step in await steps_of(handle) if step in {"send", "search"}] == ["send", "search"]
    assert await office.documents_of(agreement) == []


async def test_a_refusal_counts_where_the_delivery_log_cannot_be_read(office: Office) -> None:
    await break_calls(office, response(400), NO_LOG)
    assert (await failure(office, await office.start())).type == "Rejected"


async def test_a_refusal_counts_if_the_search_cannot_be_made_and_keeps_the_reference(office: Office) -> None:
    await break_calls(office, response(400), NO_LOG | {"status": 500})
    handle = await office.start()
    await office.eventually(lambda: steps_of(handle), lambda steps: "search" in steps)
    await office.skip(handle, timedelta(minutes=15))
    error = await failure(office, handle)
    assert (error.type, error.details) == ("Rejected", ({PROVIDER_MESSAGE: "no"},))


async def test_a_search_that_fails_at_first_finds_the_document(office: Office) -> None:
    agreement = an_agreement()
    await break_calls(office, response(404, at="after"), NO_LOG | {"status": 500, "times": 2})
    handle = await office.start(agreement)
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]


async def test_throttled_without_evidence_is_sent_again(office: Office) -> None:
    agreement = an_agreement()
    await break_calls(office, response(429, times=2))
    handle = await office.start(agreement, skipping=True)
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]
    sent = [step for step in await steps_of(handle) if step in {"send", "search"}]
    assert sent == ["send", "search"] * 2 + ["send"]


async def test_what_an_event_names_and_no_read_shows_yet_is_not_sent_again(office: Office) -> None:
    agreement = an_agreement()
    unread = {"path": "/turbosign/documents/*/recipients", "do": "status", "status": 404, "times": None}
    await break_calls(
        office, response(429, at="after", headers={"Retry-After": "300"}), NO_LOG, unread | {"body": ""}
    )
    handle = await office.start(agreement)
    (document_id,) = await office.eventually(lambda: office.documents_of(agreement), bool)
    await office.deliver_event(handle, "sent", document_id)
    await office.eventually(lambda: steps_of(handle), lambda steps: "identify" in steps)
    await office.skip(handle, timedelta(minutes=15))
    status = await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    assert f"{document_id} cannot be checked" in str(status.needs_attention)
    assert await office.documents_of(agreement) == [document_id]


async def test_voided_after_a_429_that_was_done_voids_the_document(office: Office) -> None:
    agreement = an_agreement()
    await break_calls(office, response(429, at="after", headers={"Retry-After": "300"}))
    handle = await office.start(agreement)
    await office.until(handle, lambda status: status.last_error is not None)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="changed our mind"))
    assert (await office.result(handle)).outcome is Outcome.VOIDED
    (document_id,) = await office.documents_of(agreement)
    assert await office.status_at_provider(document_id) == "voided"


async def test_a_deadline_that_passes_after_a_429_that_was_done_voids_the_document(office: Office) -> None:
    agreement = an_agreement(deadline=datetime.now(UTC) + timedelta(minutes=4))
    await break_calls(office, response(429, at="after", headers={"Retry-After": "300"}))
    handle = await office.start(agreement)
    await office.until(handle, lambda status: status.last_error is not None)
    await office.skip(handle, timedelta(minutes=4))
    assert (await office.result(handle)).outcome is Outcome.EXPIRED
    (document_id,) = await office.documents_of(agreement)
    assert await office.status_at_provider(document_id) == "voided"


async def test_a_document_that_shows_up_after_the_failure_is_reported(office: Office) -> None:
    agreement = an_agreement()
    await break_calls(office, response(400))
    handle = await office.start(agreement)
    assert (await failure(office, handle)).type == "Rejected"
    document_id = str(uuid.uuid4())
    event = SignatureEvent(event_id="late", kind="sent", document_id=document_id)
    here = {"environment": office.settings.environment, "namespace": office.client.namespace}
    marker = Marker(agreement.reference, new_tag(**here, reference=agreement.reference))
    finder = WorkflowFinder(Markers(**here))
    delivered = await Delivery(office.client, finder).deliver(ParsedDelivery(event, marker))
    assert delivered is DeliveryOutcome.CONTRADICTED, "logged, counted, and listed by `countersign orphans`"

    async def listed() -> list[ListedAgreement]:
        found = await list_agreements(ended=True, limit=100_000, client=office.client)
        return [item for item in found if item.reference == agreement.reference and item.ended_at]

    (ended,) = await office.eventually(listed, bool)
    assert why_orphaned(document_id, ended) is not None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (failures.NOT_SENT, Effect.NOT_SENT),
        (failures.SOURCE_UNUSABLE, Effect.UNUSABLE),
        (failures.THROTTLED, Effect.POSTPONED),
        (failures.KEY_REPLACED, Effect.POSTPONED),
        (failures.REJECTED, Effect.REJECTED),
        (failures.UNAUTHORIZED, Effect.REJECTED),
        (failures.OUTCOME_UNKNOWN, Effect.UNKNOWN),
        ("TypeError", Effect.UNKNOWN),
    ],
)
def test_only_what_never_left_is_repeated_without_a_look(kind: str, expected: Effect) -> None:
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="send",
        activity_id="1",
        retry_state=None,
    )
    error.__cause__ = ApplicationError("failed", type=kind)
    assert effect(error) is expected


async def test_an_identity_check_that_the_plan_lacks_is_explained(office: Office) -> None:
    signer = {
        "name": "Ada",
        "email": "ada@example.com",
        "identity": {"kind": "sms", "phone": "+493012345678"},
    }
    await office.sandbox.call("PATCH", "/_sandbox/behaviour", {"sms_entitled": False})
    try:
        error = await failure(office, await office.start(an_agreement(signers=[signer])))
    finally:
        await office.sandbox.call("PATCH", "/_sandbox/behaviour", {"sms_entitled": True})
    assert error.type == "Rejected"
    assert error.message.endswith("change a signer's `identity` to email, or upgrade it")
    assert NOTHING_SENT in error.details
