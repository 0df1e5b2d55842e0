"""What an agreement writes into its history: short messages, few steps."""

import json
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.api.enums.v1 import EventType

from activities.requests import ArchiveOutcome, ArchiveRequest, Claimed, SendRequest
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    Archive,
    JsonData,
    Message,
    Observation,
    Outcome,
    StoredDocument,
    TemplateSource,
    TimelineEntry,
)
from countersign.agreements.reference import Marker
from countersign.connection import data_converter
from tests.workflows.office import ADA, Office, an_agreement

MARKER = Marker("order-1042", "k3x9qa12")
SOURCE = TemplateSource(template_id="a", variables={"Items": JsonData(value={"price": None})})
RESULT = AgreementResult(reference="order-1042", outcome=Outcome.VOIDED, resolved_by="operator")


def file_at(folder: str, name: str, url: str = "file:///store/") -> StoredDocument:
    return StoredDocument(key=f"{folder}/{name}", size=3, sha256="ab" * 32, url=f"{url}{folder}/{name}")


TOGETHER = Archive(
    document=file_at("dev/order-1042", "signed.pdf"),
    audit_trail=file_at("dev/order-1042", "audit-trail.json"),
    timeline=file_at("dev/order-1042", "timeline.json"),
    attachments=(file_at("dev/order-1042", "certificate.pdf"),),
)
APART = TOGETHER.model_copy(update={"timeline": file_at("elsewhere", "timeline.json", "s3://bucket/")})
SEND = SendRequest(marker=MARKER, title="A", source=SOURCE, signers=(ADA,))
TIMELINE = (
    TimelineEntry(at="2027-01-01T00:00:00Z", what="generated"),
    TimelineEntry(at=None, what="viewed", event_id="evt_1", recipient_id="ada"),
    TimelineEntry(at="2027-01-02T00:00:00Z", what="odd", event_id="evt_2", ignored="unknown kind"),
    TimelineEntry(at="2027-01-02T00:00:00Z", what="viewed", event_id="evt_3", recipient_id="grace"),
)


def written(value: Any) -> Any:
    return json.loads(data_converter().payload_converter.to_payload(value).data)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (Claimed(tag="k3x9qa12"), {"tag"}),
        (Claimed(tag="k3x9qa12", claim=2, account="uk"), {"tag", "claim", "account"}),
        (SEND, {"marker", "title", "source", "signers"}),
        (
            SEND.model_copy(update={"attempt": 2, "review": True}),
            {"marker", "title", "source", "signers", "attempt", "review"},
        ),
        (an_agreement(source=SOURCE), {"reference", "title", "source", "signers"}),
        (RESULT, {"reference", "outcome", "resolved_by"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else "",
)
def test_a_message_has_no_empty_fields_and_is_read_as_it_was(message: Message, fields: set[str]) -> None:
    assert set(written(message)) == fields
    converter = data_converter().payload_converter
    assert converter.from_payload(converter.to_payload(message), type(message)) == message


def test_a_null_that_means_something_stays() -> None:
    assert written(SEND)["source"]["variables"]["Items"]["value"] == {"price": None}


def test_models_that_are_not_countersigns_keep_their_nulls() -> None:
    class Theirs(BaseModel):
        required: str | None

    assert written(Theirs(required=None)) == {"required": None}
    assert written({"required": None}) == {"required": None}


def test_the_archived_timeline_is_the_known_one() -> None:
    request = ArchiveRequest.of("order-1042", "doc", TIMELINE)
    converter = data_converter().payload_converter
    read = converter.from_payload(converter.to_payload(request), ArchiveRequest)
    assert read.timeline == TIMELINE


@pytest.mark.parametrize("archive", [TOGETHER, APART], ids=["together", "apart"])
def test_the_stored_archive_is_the_reported_one(archive: Archive) -> None:
    outcome = ArchiveOutcome.of(Observation(status="completed"), archive)
    converter = data_converter().payload_converter
    read = converter.from_payload(converter.to_payload(outcome), ArchiveOutcome)
    assert read.stored() == archive
    assert (read.filed is None) is (archive is APART)


async def test_an_agreement_takes_ten_billable_actions(office: Office) -> None:
    """Workflow tasks cost none. The signals are the four webhooks of one signer."""
    handle = await office.start(an_agreement(signers=(ADA,)))
    document_id = await office.sent(handle)
    await office.deliver_event(handle, "sent", document_id)
    (signer,) = await office.sandbox.recipient_ids(document_id)
    for kind in ("viewed", "recipient_signed"):
        await office.deliver_event(handle, kind, document_id, recipient_id=signer)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    await office.result(handle)
    billed = {
        "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED": 1,
        "EVENT_TYPE_MARKER_RECORDED": 1,
        "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED": 2,
        "EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": 1,
        "EVENT_TYPE_TIMER_STARTED": 1,
        "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED": 4,
    }
    found = [EventType.Name(event.event_type) for event in (await handle.fetch_history()).events]
    others = {
        kind for kind in found if "WORKFLOW_TASK" not in kind and "ACTIVITY_TASK" not in kind
    } - billed.keys()
    assert {kind: found.count(kind) for kind in billed} == billed
    assert others == {"EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED"}


def test_the_input_of_another_language_is_read_with_its_nulls() -> None:
    agreement = an_agreement()
    assert AgreementInput.model_validate_json(agreement.model_dump_json()) == agreement
