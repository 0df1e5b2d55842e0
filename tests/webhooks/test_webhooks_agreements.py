"""Real agreements end the same whatever the order and number of deliveries."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client

from countersign.agreements import reference
from countersign.agreements.messages import Outcome, Stage
from countersign.free_ports import free_port
from tests.webhooks.webhook_deliveries import PATH, encode, envelope, sign
from tests.webhooks.webhook_receivers import calling, receiver_in_process, running_receiver
from tests.workflows import conftest as agreements
from tests.workflows.office import Handle, Office

office = agreements.office


@dataclass(frozen=True)
class Provider:
    """Sends deliveries about one agreement's document, as the provider would."""

    http: httpx.AsyncClient
    title: str
    document_id: str

    async def deliver(self, name: str, **data: Any) -> dict[str, Any]:
        payload = envelope(self.title, f"signature.document.{name}", document_id=self.document_id, **data)
        await self.again(payload)
        return payload

    async def again(self, payload: dict[str, Any]) -> None:
        body = encode(payload)
        response = await self.http.post(PATH, content=body, headers=sign(body))
        assert response.status_code == 200


def provider_of(http: httpx.AsyncClient, office: Office, handle: Handle, document_id: str) -> Provider:
    name = handle.id.removeprefix(reference.WORKFLOW_ID_PREFIX)
    mark = reference.marker(
        environment=office.settings.environment, namespace=office.client.namespace, reference=name
    )
    return Provider(http, f"Statement of Work {mark}", document_id)


async def events_in_archive(office: Office, result: Any) -> list[str]:
    timeline = (await office.store.read(result.archive.timeline.key)).decode()
    return [part.split('"')[0] for part in timeline.split('"evt_')[1:]]


@pytest.mark.thorough
async def test_one_event_sixteen_times_at_once_at_two_receivers_is_one_event(
    http: httpx.AsyncClient, receiving: Client, office: Office
) -> None:
    handle = await office.start()
    provider = provider_of(http, office, handle, await office.sent(handle))
    payload = envelope(provider.title, "signature.document.viewed", document_id=provider.document_id)

    async with receiver_in_process(receiving) as second, calling(second) as other:
        receivers = [provider, replace(provider, http=other)]
        await asyncio.gather(*(receiver.again(payload) for _ in range(8) for receiver in receivers))
    await office.sign_all(provider.document_id)
    await provider.deliver("completed")

    events = await events_in_archive(office, await office.result(handle))
    assert events.count(payload["event_id"].removeprefix("evt_")) == 1


async def test_any_order_ends_the_same(http: httpx.AsyncClient, office: Office) -> None:
    handle = await office.start()
    provider = provider_of(http, office, handle, await office.sent(handle))
    await office.sign_all(provider.document_id)
    names = ["completed", "sent", "viewed", "recipient_signed", "signed", "completed", "viewed"]
    random.Random(17).shuffle(names)

    for name in names:
        await provider.deliver(name)

    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")


@pytest.mark.thorough
async def test_events_that_come_before_the_send_has_returned_are_kept(
    http: httpx.AsyncClient, office: Office
) -> None:
    handle = await office.start()
    early = provider_of(http, office, handle, "not-known-yet")
    await early.deliver("sent")
    document_id = await office.sent(handle)
    await provider_of(http, office, handle, document_id).deliver("viewed")

    await office.sign_all(document_id)
    await provider_of(http, office, handle, document_id).deliver("completed")

    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_completed_is_believed_only_when_the_provider_confirms_it(
    http: httpx.AsyncClient, office: Office
) -> None:
    handle = await office.start()
    provider = provider_of(http, office, handle, await office.sent(handle))

    await provider.deliver("completed")
    await provider.deliver("voided")
    status = await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    assert status.result is None

    await office.sign_all(provider.document_id)
    await provider.deliver("completed")
    assert (await office.result(handle)).outcome is Outcome.COMPLETED


async def test_what_comes_after_the_end_changes_nothing(http: httpx.AsyncClient, office: Office) -> None:
    handle = await office.start()
    provider = provider_of(http, office, handle, await office.sent(handle))
    await office.sign_all(provider.document_id)
    completed = await provider.deliver("completed")
    await office.result(handle)

    await provider.again(completed)
    await provider.deliver("voided")
    await provider.deliver("viewed")

    assert (await office.result(handle)).outcome is Outcome.COMPLETED


@pytest_asyncio.fixture
async def subscribed(client: Client, office: Office) -> AsyncIterator[str]:
    """A receiver that the sandbox delivers to."""
    port = free_port()
    secret = await office.sandbox.subscribe(f"http://127.0.0.1:{port}{PATH}")
    async with running_receiver(client, f"--port={port}", TURBODOCX_WEBHOOK_SECRET=secret) as receiver:
        yield receiver.url
    await office.sandbox.call("DELETE", "/api/webhooks/signature")


async def all_delivered(office: Office, document_id: str) -> list[dict[str, Any]]:
    """Wait until the provider has made all deliveries about a document; return them."""

    async def log() -> list[dict[str, Any]]:
        response = await office.sandbox.call("GET", "/api/webhooks/signature/deliveries?limit=100")
        return [result for result in response["data"]["results"] if document_id in str(result["payload"])]

    return await office.eventually(log, lambda found: all(item["isDelivered"] for item in found))


@pytest.mark.thorough
async def test_the_providers_own_webhooks_finish_an_agreement_and_may_be_replayed(
    subscribed: str, office: Office
) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.sandbox.complete(document_id)
    result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")

    deliveries = await all_delivered(office, document_id)
    for delivery in deliveries:
        await office.sandbox.call("POST", "/api/webhooks/signature/replay", {"deliveryId": delivery["id"]})
    replayed = await all_delivered(office, document_id)
    assert len(replayed) == 2 * len(deliveries)
    assert {row["httpStatus"] for row in replayed} == {200}
    assert subscribed
