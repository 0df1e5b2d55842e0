"""From a signed delivery to a signal on the right workflow."""

import httpx

from tests.webhooks.webhook_deliveries import PATH, encode, envelope, sign
from tests.webhooks.webhook_receiver import Agreement


async def test_a_signed_event_reaches_its_workflow(http: httpx.AsyncClient, agreement: Agreement) -> None:
    payload = envelope(agreement.title, recipient_id="r-1", viewed_at="2025-08-26T11:35:12.480Z")
    body = encode(payload)

    answer = await http.post(PATH, content=body, headers=sign(body))

    assert answer.status_code == 200
    (event,) = await agreement.events()
    assert event.event_id == payload["event_id"]
    assert event.document_id == payload["data"]["document_id"]
    assert (event.kind, event.provider, event.recipient_id) == ("viewed", "turbodocx", "r-1")
    assert event.occurred_at == "2025-08-26T11:35:12.480Z"
    assert event.received_at
    assert event.model_extra == {}


async def test_a_forged_event_does_not(http: httpx.AsyncClient, agreement: Agreement) -> None:
    body = encode(envelope(agreement.title))

    answer = await http.post(PATH, content=body, headers=sign(body, secret="another"))

    assert answer.status_code == 401
    assert await agreement.events() == []
