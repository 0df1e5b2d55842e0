"""A verified event signals its workflow; the outcome without one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements import reference
from countersign.agreements.events import SignatureEvent
from countersign.agreements.reference import find_marker
from countersign.connection import data_converter
from countersign.webhooks import delivery
from countersign.webhooks.adapter import ParsedDelivery
from countersign.webhooks.delivery import Delivery, Documents, Markers, WorkflowFinder
from countersign.webhooks.outcome import DeliveryOutcome
from countersign.webhooks.receiver import Journal
from tests.webhooks.webhook_deliveries import PATH, encode, envelope, examples, sign
from tests.webhooks.webhook_receiver import Agreement, start_agreement
from tests.webhooks.webhook_receivers import RunningReceiver, calling, receiver_in_process, running_receiver


async def deliver(http: httpx.AsyncClient, payload: dict[str, Any], **signing: Any) -> int:
    body = encode(payload)
    return (await http.post(PATH, content=body, headers=sign(body, **signing))).status_code


async def test_a_signed_event_reaches_its_workflow(http: httpx.AsyncClient, agreement: Agreement) -> None:
    payload = envelope(agreement.title, recipient_id="r-1", viewed_at="2025-08-26T11:35:12.480Z")

    assert await deliver(http, payload) == 200

    (event,) = await agreement.events()
    assert event.event_id == payload["event_id"]
    assert event.document_id == payload["data"]["document_id"]
    assert (event.kind, event.provider, event.recipient_id) == ("viewed", "turbodocx", "r-1")
    assert event.occurred_at == "2025-08-26T11:35:12.480Z"
    assert event.received_at


KINDS = {
    "sent": "sent",
    "viewed": "viewed",
    "recipient_signed": "recipient_signed",
    "signed": "partially_signed",
    "completed": "completed",
    "finalization_failed": "finalization_failed",
    "voided": "voided",
}


@pytest.mark.parametrize("example", examples(), ids=lambda example: example["event"].rsplit(".")[-1])
async def test_every_documented_event_is_read_and_nothing_personal_passed_on(
    http: httpx.AsyncClient, agreement: Agreement, example: dict[str, Any]
) -> None:
    example["data"]["title"] = agreement.title

    assert await deliver(http, example) == 200

    (event,) = await agreement.events()
    name = example["event"].removeprefix("signature.document.")
    data = example["data"]
    assert event.kind == KINDS[name]
    assert event.event_id == example["event_id"]
    assert event.document_id == data["document_id"]
    assert event.recipient_id == data.get("recipient_id")
    assert event.document_hash == data.get("document_hash")
    assert event.occurred_at == next(value for key, value in data.items() if key.endswith("_at"))
    assert event.model_extra == {}
    for personal in ("signer@example.com", "Jordan", "Statement", "not required"):
        assert personal not in event.model_dump_json()


async def test_the_older_name_of_the_event_field_is_read_too(
    http: httpx.AsyncClient, agreement: Agreement
) -> None:
    payload = envelope(agreement.title)
    payload["eventType"] = payload.pop("event")

    assert await deliver(http, payload) == 200
    assert [event.kind for event in await agreement.events()] == ["viewed"]


async def test_a_kind_that_is_new_to_us_is_passed_on_as_such(
    http: httpx.AsyncClient, agreement: Agreement
) -> None:
    assert await deliver(http, envelope(agreement.title, "completed")) == 200
    assert await deliver(http, envelope(agreement.title, "signature.document." + "x" * 100)) == 200

    kinds = [event.kind for event in await agreement.events()]
    assert kinds[0] == "turbodocx:completed"  # the provider's name, not the kind of the same name
    assert kinds[1].startswith("turbodocx:signature.document.xxx")
    assert len(kinds[1]) == 64


@pytest.mark.parametrize("offset", [-290, 0, 290])
async def test_a_delivery_that_comes_again_is_signalled_again(
    http: httpx.AsyncClient, agreement: Agreement, offset: int
) -> None:
    """The workflow recognizes the event id; the receiver keeps no state."""
    payload = envelope(agreement.title)

    assert [await deliver(http, payload, offset=offset) for _ in range(2)] == [200, 200]
    assert {event.event_id for event in await agreement.events()} == {payload["event_id"]}


def titles() -> Iterator[tuple[str, str | None]]:
    mark = reference.marker(environment="development", namespace="default", reference="A-17")
    staging = reference.marker(environment="staging", namespace="default", reference="A-17")
    elsewhere = reference.marker(environment="development", namespace="other", reference="A-17")
    yield "ours", f"Contract {mark}"
    yield "no marker", "Contract"
    yield "no title", None
    yield "an order number in brackets", "Contract [A-17]"
    yield "a short tag", "Contract [A-17~aaaaaa]"
    yield "a wrong tag", "Contract [A-17~aaaaaaaa]"
    yield "another environment", f"Contract {staging}"
    yield "another namespace", f"Contract {elsewhere}"
    yield "not at the end", f"Contract {mark} draft"
    yield "a path", "Contract [../../etc~aaaaaa]"
    yield "huge", "[" * 60_000
    yield "a lone surrogate", f"\ud800 {mark}x"


@pytest.mark.parametrize(("case", "title"), tuple(titles()), ids=[case for case, _ in titles()])
def test_only_our_own_marker_names_a_workflow(case: str, title: str | None) -> None:
    found = Markers(environment="development", namespace="default").find(find_marker(title or ""))

    assert found == ("agreement-a-17" if case == "ours" else None)


@pytest.mark.parametrize("title", ["Somebody else's contract", 17, None, ["x"], "\ud800", "[A-17~aaaaaaaa]"])
async def test_an_unknown_document_gets_200(http: httpx.AsyncClient, title: Any) -> None:
    assert await deliver(http, envelope(title)) == 200


async def test_an_agreement_that_temporal_has_forgotten_is_accepted(receiver: RunningReceiver) -> None:
    mark = reference.marker(environment="development", namespace="default", reference="gone")
    async with calling(receiver) as http:
        assert await deliver(http, envelope(f"Contract {mark}", "signature.document.completed")) == 200
    assert "webhook forgotten" in receiver.logged()


@pytest.mark.parametrize(
    ("stage", "event", "outcome"),
    [
        ("completed", "completed", DeliveryOutcome.CLOSED),
        ("completed", "viewed", DeliveryOutcome.CLOSED),
        ("completed", "voided", DeliveryOutcome.CONTRADICTED),
        ("voided", "voided", DeliveryOutcome.CLOSED),
        ("awaiting_signatures", "completed", DeliveryOutcome.CLOSED),  # it completed: see `shown_stage`
        ("awaiting_signatures", "voided", DeliveryOutcome.CONTRADICTED),
        ("voided", "completed", DeliveryOutcome.CONTRADICTED),
        (
            "expired",
            "voided",
            DeliveryOutcome.CLOSED,
        ),  # the agreement voids an expired document, and the provider reports it
        ("abandoned", "completed", DeliveryOutcome.CONTRADICTED),
    ],
)
async def test_an_event_after_the_end_is_accepted_and_a_contradiction_is_reported_apart(
    receiving: Client, stage: str, event: str, outcome: DeliveryOutcome
) -> None:
    agreement = await start_agreement(receiving, AgreementStage=stage)
    await agreement.end()

    parsed = _parsed(agreement.title, kind=event, document_id=agreement.document_id)

    assert await _delivery(receiving).deliver(parsed) is outcome
    assert outcome.status == 200


def test_a_contradiction_is_logged_loudly(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()
    for outcome in (DeliveryOutcome.CLOSED, DeliveryOutcome.CONTRADICTED):
        journal.accepted("turbodocx", outcome, _parsed(kind="completed"), seconds=0.01)

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    (record,) = caplog.records
    assert (record.verdict, record.kind, record.dialect) == ("contradicted", "completed", "turbodocx")  # type: ignore[attr-defined]


async def test_another_document_of_a_closed_agreement_is_a_contradiction(receiving: Client) -> None:
    agreement = await start_agreement(receiving, AgreementStage="completed")
    await agreement.end()

    outcome = await _delivery(receiving).deliver(_parsed(agreement.title, kind="viewed", document_id="other"))

    assert outcome is DeliveryOutcome.CONTRADICTED


def _parsed(
    title: str | None = None, *, kind: str = "viewed", document_id: str | None = None
) -> ParsedDelivery:
    return ParsedDelivery(
        SignatureEvent(event_id=uuid4().hex, kind=kind, document_id=document_id), find_marker(title or "")
    )


def _delivery(client: Client, documents: Documents | None = None) -> Delivery:
    return Delivery(
        client, WorkflowFinder(Markers(environment="development", namespace="default"), documents)
    )


# Documents without a marker


async def test_unmarked_documents_are_found_by_their_id_only_where_that_is_enabled(
    receiving: Client, receiver: RunningReceiver
) -> None:
    agreement = await start_agreement(receiving)
    await _until_searchable(receiving, agreement)
    payload = envelope("Unmarked", document_id=agreement.document_id)
    finding = {"COUNTERSIGN_WEBHOOKS_FIND_UNMARKED": "true"}
    async with receiver_in_process(receiving, **finding) as url, calling(url) as http:
        assert await deliver(http, payload) == 200
    async with calling(receiver) as http:
        assert await deliver(http, payload | {"event_id": "evt_unseen"}) == 200

    assert [event.event_id for event in await agreement.events()] == [payload["event_id"]]


async def _until_searchable(client: Client, agreement: Agreement) -> None:
    query = f"DocumentId = '{agreement.document_id}'"
    while (await client.count_workflows(query)).count == 0:  # noqa: ASYNC110 (it is the server's state)
        await asyncio.sleep(0.02)


class Visibility:
    """A fake of Temporal's search that counts queries and returns a result or an error."""

    def __init__(self, found: str | None = None, error: RPCError | None = None) -> None:
        self.found, self.error, self.queries = found, error, list[str]()

    async def list_workflows(self, query: str, **_options: Any) -> AsyncIterator[WorkflowExecution]:
        self.queries.append(query)
        if self.error is not None:
            raise self.error
        for item in filter(None, [self.found]):
            yield type("Found", (), {"id": item})()


def _documents(visibility: Visibility, clock: list[float]) -> Documents:
    return Documents(visibility, clock=lambda: clock[0])  # type: ignore[arg-type]


async def test_misses_are_remembered_briefly_and_boundedly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MISS_LIMIT", 100)
    visibility, clock = Visibility(), [0.0]
    documents = _documents(visibility, clock)

    for number in [*range(500), *range(450, 500), *range(450, 500)]:
        assert await documents.find(f"document-{number}") is None

    assert len(visibility.queries) == 500
    assert len(documents._misses) == 100
    visibility.found = "agreement-late"
    assert await documents.find("document-499") is None
    clock[0] += delivery.MISS_SECONDS
    assert await documents.find("document-499") == "agreement-late"


@pytest.mark.parametrize(
    "document_id", [None, "", "x' OR WorkflowId != '", 'x"', "x y", "x\\", "é", "x" * 101, "%27"]
)
async def test_an_id_that_could_change_the_query_is_not_looked_up(document_id: str | None) -> None:
    visibility = Visibility("agreement-1")

    assert await _documents(visibility, [0.0]).find(document_id) is None
    assert visibility.queries == []


async def test_a_marker_of_another_environment_is_not_looked_up(receiving: Client) -> None:
    visibility = Visibility("agreement-1")
    deliver = _delivery(receiving, _documents(visibility, [0.0])).deliver

    assert await deliver(_parsed("[A-17~aaaaaaaa]", document_id="d-1")) is DeliveryOutcome.NOT_OURS
    assert visibility.queries == []


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [("development", DeliveryOutcome.TEST), ("production", DeliveryOutcome.OTHER_ENVIRONMENT)],
)
async def test_a_test_event_is_known_by_who_asked_for_it(
    receiving: Client, environment: str, outcome: DeliveryOutcome
) -> None:
    visibility = Visibility("agreement-1")
    deliver = _delivery(receiving, _documents(visibility, [0.0])).deliver
    asked = reference.test_document_id(environment=environment, namespace="default")

    assert await deliver(_parsed("A title", document_id=asked)) is outcome
    assert visibility.queries == []


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (RPCStatusCode.RESOURCE_EXHAUSTED, DeliveryOutcome.BUSY),
        (RPCStatusCode.UNAVAILABLE, DeliveryOutcome.UNAVAILABLE),
        (RPCStatusCode.PERMISSION_DENIED, DeliveryOutcome.UNAVAILABLE),
        (RPCStatusCode.INVALID_ARGUMENT, DeliveryOutcome.UNAVAILABLE),
    ],
)
async def test_a_search_that_fails_is_the_providers_to_repeat(
    receiving: Client, code: RPCStatusCode, outcome: DeliveryOutcome
) -> None:
    visibility = Visibility(error=RPCError("no", code, b""))
    deliver = _delivery(receiving, _documents(visibility, [0.0])).deliver

    assert await deliver(_parsed("Unmarked", document_id="d-1")) is outcome
    assert outcome.status == 503


# Temporal does not respond


async def test_without_temporal_the_provider_is_asked_to_try_again(receiving: Client) -> None:
    mark = reference.marker(environment="development", namespace="default", reference="A-17")
    body = encode(envelope(f"Contract {mark}"))
    async with (
        running_receiver(receiving, TEMPORAL_ADDRESS="127.0.0.1:1") as receiver,
        calling(receiver) as http,
    ):
        response = await http.post(PATH, content=body, headers=sign(body))
        ready, alive = await http.get("/readyz"), await http.get("/healthz")

    assert (response.status_code, response.text, response.headers["retry-after"]) == (503, "try again\n", "5")
    assert (ready.status_code, alive.status_code) == (503, 200)


async def test_a_temporal_that_hangs_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closing.wait()
        writer.close()

    closing = asyncio.Event()
    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    monkeypatch.setattr(delivery, "ACKNOWLEDGE_SECONDS", 0.2)
    client = await Client.connect(
        f"127.0.0.1:{silent.sockets[0].getsockname()[1]}", data_converter=data_converter(), lazy=True
    )
    mark = reference.marker(environment="development", namespace="default", reference="A-17")

    assert await _delivery(client).deliver(_parsed(f"Contract {mark}")) is DeliveryOutcome.UNAVAILABLE

    closing.set()
    silent.close()
    await silent.wait_closed()


async def test_slow_secrets_and_a_slow_temporal_together_get_503_in_time(
    http: httpx.AsyncClient, receiving: Client, agreement: Agreement, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever(*_arguments: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("countersign.webhooks.receiver.RESPONSE_SECONDS", 0.2)
    monkeypatch.setattr("countersign.webhooks.routes.WebhookRoute.verify", for_ever)
    async with receiver_in_process(receiving) as url, calling(url) as slow:
        assert await deliver(slow, envelope(agreement.title)) == 503
    assert await agreement.events() == []
    assert (await http.get("/healthz")).status_code == 200


async def test_a_namespace_that_is_not_there_loses_nothing(receiving: Client) -> None:
    """Temporal returns `not found`, as for workflows, but the response must not be 2xx."""
    mark = reference.marker(environment="development", namespace="nowhere", reference="A-17")
    body = encode(envelope(f"Contract {mark}"))
    address = receiving.service_client.config.target_host
    client = await Client.connect(address, namespace="nowhere", data_converter=data_converter(), lazy=True)
    async with receiver_in_process(client) as receiver, calling(receiver) as http:
        response = await http.post(PATH, content=body, headers=sign(body))
        ready = await http.get("/readyz")

    assert (response.status_code, ready.status_code) == (503, 503)


async def test_it_is_ready_when_temporal_responds(http: httpx.AsyncClient) -> None:
    for path, text in (("/readyz", "ready\n"), ("/healthz", "alive\n")):
        response = await http.get(path)
        assert (response.status_code, response.text) == (200, text)


async def test_a_burst_loses_nothing(receiver: RunningReceiver, receiving: Client) -> None:
    agreements = [await start_agreement(receiving) for _ in range(10)]
    payloads = [envelope(agreements[number % 10].title) for number in range(100)]
    async with calling(receiver) as http:
        statuses = await asyncio.gather(*(deliver(http, payload) for payload in payloads))

    assert set(statuses) == {200}
    for number, agreement in enumerate(agreements):
        received = [event.event_id for event in await agreement.events()]
        assert sorted(received) == sorted(payload["event_id"] for payload in payloads[number::10])
        await agreement.handle.terminate()
