"""A document that imitates an agreement's marker is never adopted and never voided; a person sees it."""

import dataclasses
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowUpdateFailedError

from activities.claims import ClaimActivities
from activities.identity import differences
from activities.requests import ClaimRequest, IdentifyRequest
from countersign.agreements.messages import AgreementInput, AgreementStatus, Outcome, Sender, WaitingFor
from countersign.agreements.reference import Marker, mark_title, matches_environment, new_tag
from countersign.providers.port import Document
from countersign.providers.registry import accounts
from countersign.providers.turbodocx.requests import Field, Recipient, SignatureRequest
from countersign.storage import FolderStore
from countersign.storage.store import StoreKeys
from countersign.webhooks.delivery import Markers
from tests.workflows.office import SEND, Handle, Office, an_agreement
from tests.workflows.scenarios import NO_ONE

pytestmark = pytest.mark.thorough

OURS: dict[str, Any] = {"sender_email": "contracts@example.com", "title": "Statement of Work"}
FORGERIES: dict[str, tuple[dict[str, Any], str]] = {
    "another text": ({"title": "Deed of Gift"}, "title"),
    "another sender": ({"sender_email": "mallory@example.com"}, "sender"),
    "other recipients": ({"signers": ("mallory@example.com",)}, "recipients"),
    "a guessed tag": ({"random_part": "zzzzz"}, "marker"),
}


@pytest_asyncio.fixture(autouse=True)
async def logged_webhooks(office: Office) -> None:
    await office.sandbox.subscribe(NO_ONE)


def marker_of(office: Office, agreement: AgreementInput) -> Marker:
    """Read the tag of an agreement where the provider cannot: in its claim."""
    (claim,) = office.folder.rglob(f"{agreement.reference}/claim.json")
    return Marker(agreement.reference, json.loads(claim.read_text())["tag"])


async def forge(office: Office, agreement: AgreementInput, **changes: Any) -> str:
    """Make a document as another person of the organization could; return its id."""
    given = OURS | {"signers": [signer.email for signer in agreement.signers]} | changes
    marker = marker_of(office, agreement)
    if random_part := given.get("random_part"):
        marker = dataclasses.replace(marker, tag=marker.tag[:3] + random_part)
    emails = given["signers"]
    (made,) = (await office.sandbox.call("GET", "/v1/deliverable?limit=1"))["data"]["results"][:1]
    request = SignatureRequest(
        document_name=mark_title(given["title"], marker),
        recipients=tuple(
            Recipient(name="Ada", email=email, signing_order=number)
            for number, email in enumerate(emails, start=1)
        ),
        sender_email=given["sender_email"],
        sender_name="Mallory",
        fields=tuple(
            Field(type="signature", recipient_email=email, page=1, x=50, y=500, width=200, height=40)
            for email in emails
        ),
        deliverable_id=made["id"],
    )
    return str((await office.sandbox.call("POST", SEND, request.wire()))["documentId"])


async def unknown_send(office: Office, agreement: AgreementInput) -> Handle:
    await office.break_call(SEND, "drop", at="before")
    handle = await office.start(agreement)
    await office.until(handle, lambda status: status.last_error is not None)
    return handle


async def asked(office: Office, handle: Handle) -> AgreementStatus:
    await office.skip(handle, timedelta(minutes=15))
    return await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forgery_is_not_adopted_and_a_person_sees_it(office: Office, name: str) -> None:
    changes, differs = FORGERIES[name]
    agreement = an_agreement()
    handle = await unknown_send(office, agreement)
    forgery = await forge(office, agreement, **changes)
    await office.deliver_event(handle, "sent", forgery)
    status = await office.until(handle, lambda status: status.needs_attention is not None)
    assert f"{forgery} differs in {differs}" in str(status.needs_attention)
    status = await asked(office, handle)
    assert (status.document_id, status.candidates) == (None, (forgery,))
    assert f"{forgery} differs in {differs}" in str(status.needs_attention)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await office.resolve(handle, "adopt", forgery)
    assert f"it differs in {differs}" in str(refused.value.cause)
    await office.resolve(handle, "send_again")
    document_id = await office.sent(handle)
    assert document_id != forgery
    status = await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    assert f"{forgery} differs in {differs}" in str(status.needs_attention)
    await office.resolve(handle, "keep")
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    result = await office.result(handle)
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, document_id)
    assert await office.status_at_provider(forgery) == "under_review", "it is not ours to void"


async def test_a_forgery_in_the_delivery_log_is_not_adopted(office: Office) -> None:
    agreement = an_agreement()
    handle = await unknown_send(office, agreement)
    forgery = await forge(office, agreement, title="Deed of Gift")
    status = await asked(office, handle)
    assert (status.document_id, status.candidates) == (None, (forgery,))


async def test_the_genuine_document_is_adopted_beside_a_forgery(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "drop", at="after")
    handle = await office.start(agreement)
    (genuine,) = await office.eventually(lambda: office.documents_of(agreement), bool)
    forgery = await forge(office, agreement, sender_email="mallory@example.com")
    await office.deliver_event(handle, "sent", forgery)
    await office.skip(handle, timedelta(minutes=15))
    assert await office.sent(handle) == genuine
    status = await office.until(handle, lambda status: status.needs_attention is not None)
    assert status.candidates == (forgery,)


async def test_a_throttled_send_beside_a_forgery_asks_a_person(office: Office) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, "rate_limit", retry_after="300")
    handle = await office.start(agreement)
    await office.until(handle, lambda status: status.last_error is not None)
    forgery = await forge(office, agreement, title="Deed of Gift")
    await office.deliver_event(handle, "sent", forgery)
    status = await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    assert f"{forgery} differs in title" in str(status.needs_attention)


NOW = datetime(2027, 1, 1, tzinfo=UTC)
SENDER = Sender(name="Example", email="contracts@example.com")
MARKER = Marker("order-1042", "k3x9qabc")
EXPECTED = IdentifyRequest(
    marker=MARKER, document_id="d", title="Statement of Work", sender=None, signers=(), since=NOW
)
GENUINE = Document(
    id="d",
    status="under_review",
    marker=MARKER,
    title="Statement of Work",
    recipients=(),
    sender_email="Contracts@example.com",
    created_at=datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"sender_email": None, "created_at": None}, []),
        ({"title": "Statement  of\u00a0Work"}, []),
        ({"created_at": datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)}, ["creation time"]),
        ({"sender_email": "mallory@example.com"}, ["sender"]),
        ({"is_own": True}, []),
        ({"sender_email": None, "is_own": False}, ["sender"]),
        ({"title": "Deed of Gift"}, ["title"]),
        ({"marker": Marker("order-1042", "k3x9zzzz")}, ["marker"]),
        ({"marker": None}, ["marker"]),
    ],
)
def test_what_differs(change: dict[str, Any], expected: list[str]) -> None:
    assert list(differences(replace(GENUINE, **change), EXPECTED, SENDER)) == expected


def test_the_agreements_own_sender_counts() -> None:
    own = EXPECTED.model_copy(update={"sender": Sender(name="Mallory", email="mallory@example.com")})
    assert list(differences(GENUINE, own, SENDER)) == ["sender"]


async def test_a_tag_is_random_and_stays_with_its_claim(tmp_path: Path) -> None:
    tags = set()
    for number in range(50):
        claims = ClaimActivities(
            FolderStore(tmp_path / str(number)), StoreKeys("test", "default"), accounts()
        )
        request = ClaimRequest(reference="order-1042", run_id="a-run")
        first, second = await claims.claim(request), await claims.claim(request)
        assert (first.tag, first.at) == (second.tag, second.at)
        tags.add(first.tag)
    assert len(tags) == 50
    assert len({tag[:3] for tag in tags}) == 1


def test_the_receiver_checks_the_environment_and_the_workflow_the_rest() -> None:
    here = Markers(environment="production", namespace="default")
    staging = Markers(environment="staging", namespace="default")
    own = new_tag(environment="production", namespace="default", reference="order-1042")
    guessed = Marker("order-1042", own[:3] + "zzzzz")
    assert here.find(guessed) == "agreement-order-1042"
    assert staging.find(guessed) is None
    assert matches_environment(guessed, environment="production", namespace="default")
