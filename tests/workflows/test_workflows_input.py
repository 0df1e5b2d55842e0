"""Input that cannot be read ends the workflow with BadInput and a sentence, whichever SDK sent it."""

import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from countersign.agreements.events import SignatureEvent
from countersign.agreements.failures import BAD_INPUT
from countersign.agreements.messages import AgreementResult, Stage
from countersign.agreements.names import SIGNATURE_EVENT, WORKFLOW_NAME
from tests.workflows.office import Office, an_agreement

pytestmark = pytest.mark.thorough

VALID: dict[str, Any] = json.loads(an_agreement().model_dump_json())


def payload(data: bytes, encoding: bytes = b"json/plain") -> RawValue:
    """Make an input as another SDK, or a hand-written client, sends it."""
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


def changed(**fields: Any) -> list[RawValue]:
    return [payload(json.dumps(VALID | fields).encode())]


def without(name: str) -> list[RawValue]:
    return [payload(json.dumps({key: value for key, value in VALID.items() if key != name}).encode())]


UNREADABLE: dict[str, tuple[list[RawValue], str]] = {
    "no input": ([], "was given 0"),
    "two inputs": (changed() * 2, "was given 2"),
    "nothing, as some SDKs send it": ([payload(b"", b"binary/null")], "must be a JSON object"),
    "bytes": ([payload(b"{}", b"binary/plain")], "must be a JSON object"),
    "a list": ([payload(b"[]")], "input: must be a JSON object"),
    "no JSON": ([payload(b"{")], "input: is not valid JSON"),
    "half a character": ([payload(rb'{"title": "\ud800"}')], "input: is not valid JSON"),
    "a missing field": (without("title"), "title: is missing"),
    "null instead of a list": (changed(cc=None), "cc: must be a list"),
    "a duration of Go": (
        changed(reminders={"after": "72h0m0s"}),
        "reminders.after: ",
    ),
    "a duration of .NET": (
        changed(reminders={"every": "3.00:00:00x"}),
        "reminders.every: ",
    ),
    "a duration in nanoseconds": (
        changed(reminders={"after": 259_200_000_000_000_000}),
        "reminders.after: ",
    ),
    "another kind of source": (changed(source={"kind": "fax"}), "source: must be an object whose kind is"),
    "a part of the source": (
        changed(source={"kind": "link", "url": "ftp://example.com/contract.pdf"}),
        "source.url: must match",
    ),
    "a part of a signer": (changed(signers=[{"name": "Ada"}]), "signers[0].email: is missing"),
    "no signer": (changed(signers=[]), "signers: must have at least 1"),
    "a number for a text": (changed(title=1042), "title: must be a text"),
}


async def start(office: Office, inputs: list[RawValue], **options: Any) -> WorkflowHandle[Any, Any]:
    return await office.client.start_workflow(
        WORKFLOW_NAME,
        args=inputs,
        id=f"agreement-{an_agreement().reference}",
        task_queue=office.task_queue,
        result_type=AgreementResult,
        **options,
    )


async def failure(office: Office, handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await office.result(handle)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


@pytest.mark.parametrize("name", UNREADABLE)
async def test_unreadable_input_ends_the_workflow(office: Office, name: str) -> None:
    inputs, sentence = UNREADABLE[name]
    error = await failure(office, await start(office, inputs))
    assert (error.type, error.non_retryable) == (BAD_INPUT, True)
    assert sentence in error.message


async def test_an_event_that_comes_first_changes_nothing(office: Office) -> None:
    event = SignatureEvent(event_id="e", kind="sent", document_id="a-document")
    handle = await start(office, without("title"), start_signal=SIGNATURE_EVENT, start_signal_args=[event])
    assert (await failure(office, handle)).message == "title: is missing"


async def test_a_query_gives_the_sentence(office: Office) -> None:
    handle = await start(office, without("title"))
    await failure(office, handle)
    with pytest.raises(WorkflowQueryFailedError, match="title: is missing"):
        await handle.query("status")


async def test_a_value_that_cannot_be_read_is_not_quoted(office: Office) -> None:
    secret = {"kind": "ada@example.com"}
    error = await failure(office, await start(office, changed(source=secret, deadline="ada@example.com")))
    assert "ada@" not in error.message


async def test_a_protobuf_message_as_json_is_read(office: Office) -> None:
    agreement = an_agreement()
    handle = await start(office, [payload(agreement.model_dump_json().encode(), b"json/protobuf")])
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]


async def test_a_caller_cannot_skip_the_claim_and_the_send(office: Office) -> None:
    carried = {
        "stage_since": "2026-01-01T00:00:00Z",
        "known_time": "2026-01-01T00:00:00Z",
        "progress": {"document_id": "a-document-of-others"},
    }
    agreement = an_agreement()
    given = json.loads(agreement.model_dump_json()) | {"carried": carried}
    handle = await start(office, [payload(json.dumps(given).encode())])
    await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]
