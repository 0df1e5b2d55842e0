"""Starts that want to be called back: what arrives, what its links lead to, and what is refused."""

import asyncio
import json

import pytest
from standardwebhooks.webhooks import Webhook
from temporalio.client import Client

from countersign.api.app import document
from devstack.stack import Stack
from tests.api.api_caller import Caller, a_draft, problem
from tests.callbacks.callback_receiver import OTHER_SECRET, QUERY, receiving
from tests.polling import poll

WHOLE = {"sent", "viewed-1", "viewed-2", "signed-1", "signed-2", "completed"}


async def test_events_arrive_signed_with_links_into_the_api(
    api: Caller, stack: Stack, temporal: Client, reference: str
) -> None:
    async with receiving() as receiver:
        draft = a_draft(
            reference, callback_url=receiver.url, callback_secret=OTHER_SECRET, metadata={"order": "1042"}
        )
        started = await api.start(draft)
        assert started.status_code == 202, started.text
        assert (await api.start(draft)).status_code == 202, "the same again"
        view = await api.until(reference, "awaiting_signatures")
        await stack.sandbox.complete(view["document_id"])
        await api.until(reference, "completed")
        await asyncio.to_thread(poll, lambda: set(receiver.types()) == WHOLE)
        calls = {call.type: call for call in receiver.calls}
    for call in calls.values():
        data = Webhook(OTHER_SECRET).verify(call.body, call.headers)["data"]
        assert (data["reference"], data["metadata"]) == (reference, {"order": "1042"})
        assert (await api.get(data["links"]["agreement"])).json()["reference"] == reference
    links = calls["completed"].event["data"]["links"]
    assert (await api.get(links["document"])).content.startswith(b"%PDF-")
    for name in ("audit_trail", "timeline"):
        assert (await api.get(links[name])).status_code == 200
    history = (await temporal.get_workflow_handle(f"agreement-{reference}").fetch_history()).to_json()
    texts = (stack.supervisor.log("api").read_text(), started.text, json.dumps(history))
    assert not any(OTHER_SECRET in text for text in texts)
    assert not any(QUERY in text for text in texts[:2])


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"callback_url": "ftp://hooks.example.com/secret-path"}, "/callback_url"),
        ({"callback_url": "https://u:secret-path@hooks.example.com/"}, "/callback_url"),
        ({"callback_secret": "secret-path"}, "/callback_secret"),
        ({"callback_secret_key": f"files/{'a' * 64}.secret"}, "/callback_secret_key"),
        ({"metadata": {"a": "x" * 501}}, "/metadata/a"),
        ({"metadata": {str(number): "" for number in range(21)}}, "/metadata"),
        ({"metadata": {"a": ["x"]}}, "/metadata/a"),
    ],
)
async def test_what_cannot_be_called_is_refused_by_place(
    api: Caller, reference: str, changes: dict[str, object], place: str
) -> None:
    response = await api.start(a_draft(reference, **changes))
    assert (response.status_code, problem(response)) == (422, "invalid-input"), response.text
    assert response.json()["errors"][0]["pointer"] == place
    assert "secret-path" not in response.text


def test_the_document_describes_what_arrives() -> None:
    described = document().openapi()
    (path,) = described["paths"]["/v1/agreements"]["post"]["callbacks"]["event"].items()
    assert path[0] == "{$request.body#/callback_url}"
    schema = path[1]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/CallbackEvent"}
    assert "agreement.completed" in json.dumps(described["components"]["schemas"]["CallbackType"])
    properties = described["components"]["schemas"]["NewAgreement"]["properties"]
    assert {"callback_url", "callback_secret", "metadata"} <= set(properties)
    assert "callback_secret_key" not in properties
