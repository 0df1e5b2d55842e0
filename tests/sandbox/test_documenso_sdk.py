"""Test that the provider's Python SDK runs against the sandbox with only another server_url."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import httpx
import pytest

from tests.sandbox.documenso_kit import API_KEY, EXPIRED_KEY, Api, pdf

pytestmark = pytest.mark.thorough


def sdk() -> Any:
    """Import the SDK, which takes seconds: not while tests are collected."""
    return import_module("documenso_sdk")


def opened(**options: Any) -> Any:
    """Open the SDK with an unused client of ours: it would close its own late, in whatever event loop."""
    return sdk().Documenso(async_client=httpx.AsyncClient(), **options)


def address(documenso: Api) -> str:
    return str(documenso.base_url.join("/api/v2"))


@pytest.fixture
def client(documenso: Api) -> Any:
    return opened(api_key=API_KEY, server_url=address(documenso))


def payload(**changes: Any) -> dict[str, Any]:
    """Build a payload with the SDK's names."""
    place = {"page": 1, "position_x": 10, "position_y": 40, "width": 30, "height": 5}
    person = {
        "email": "Ada@example.com",
        "name": "Ada",
        "role": "SIGNER",
        "signing_order": 1,
        "fields": [{"type": "SIGNATURE", **place}],
    }
    return {"title": "Contract", "type": "DOCUMENT", "external_id": "A-1", "recipients": [person]} | changes


def create(client: Any, **changes: Any) -> str:
    files = [{"file_name": "contract.pdf", "content": pdf(), "content_type": "application/pdf"}]
    return str(client.envelopes.create(payload=payload(**changes), files=files).id)


def test_an_envelope_from_create_to_sealed(client: Any, documenso: Api) -> None:
    envelope_id = create(client, meta={"subject": "Please sign", "signing_order": "SEQUENTIAL"})
    draft = client.envelopes.get(envelope_id=envelope_id)
    assert (draft.status, draft.external_id, draft.title) == ("DRAFT", "A-1", "Contract")
    assert draft.recipients[0].email == "ada@example.com"
    assert draft.document_meta.subject == "Please sign"
    sent = client.envelopes.distribute(envelope_id=envelope_id, meta={"message": "Soon, please"})
    assert sent.recipients[0].signing_url.startswith(str(documenso.base_url))
    person = int(sent.recipients[0].id)
    documenso.wait(envelope_id, lambda it: it["recipients"][0]["sendStatus"] == "SENT")
    reminded = client.envelopes.redistribute(envelope_id=envelope_id, recipients=[person])
    assert reminded.success
    documenso.complete(envelope_id)
    documenso.ended(envelope_id)
    sealed = client.envelopes.get(envelope_id=envelope_id)
    assert (sealed.status, sealed.fields[0].inserted) == ("COMPLETED", True)
    [read] = client.envelope.envelope_get_many(ids={"type": "envelopeId", "ids": [envelope_id]}).data
    assert read.id == envelope_id


def test_searches(client: Any) -> None:
    made = [create(client, title=f"Contract {number}", external_id=f"A-{number}") for number in range(3)]
    found = client.envelope.envelope_find(query="A-1", type_="DOCUMENT", per_page=100)
    assert [row.id for row in found.data] == [made[1]]
    assert (found.count, found.per_page) == (1, 100)
    ordered = client.envelope.envelope_find(status="DRAFT", order_by_direction="asc", page=1)
    assert [row.id for row in ordered.data] == made


def test_recipients_and_fields(client: Any) -> None:
    envelope_id = create(client)
    recipients, fields = client.envelopes.recipients, client.envelopes.fields
    new = {"email": "bob@example.com", "name": "Bob", "role": "APPROVER"}
    [bob] = recipients.create_many(envelope_id=envelope_id, data=[new]).data
    data = [{"id": bob.id, "name": "Robert"}]
    [changed] = recipients.update_many(envelope_id=envelope_id, data=data).data
    assert (changed.name, changed.token) == ("Robert", bob.token)
    got = recipients.get(recipient_id=bob.id)
    assert (got.email, got.fields) == ("bob@example.com", [])
    ada = client.envelopes.get(envelope_id=envelope_id).recipients[0]
    [field] = recipients.get(recipient_id=ada.id).fields
    assert fields.get(field_id=field.id).position_x == "10"
    fields.delete(field_id=field.id)
    assert client.envelopes.get(envelope_id=envelope_id).fields == []
    assert recipients.delete(recipient_id=bob.id).success


def test_a_field_without_a_type_is_refused(client: Any) -> None:
    """The SDK drops the type of new fields, which the service requires."""
    envelope_id = create(client)
    ada = client.envelopes.get(envelope_id=envelope_id).recipients[0]
    place = {"page": 1, "position_x": 10, "position_y": 60, "width": 30, "height": 5}
    data = [{"type": "SIGNATURE", "recipient_id": ada.id, **place}]
    with pytest.raises(sdk().models.DocumensoError) as refused:
        client.envelopes.fields.create_many(envelope_id=envelope_id, data=data)
    assert refused.value.status_code == 400


def test_a_document_from_a_template(client: Any) -> None:
    template = client.envelopes.get(envelope_id=create(client, type="TEMPLATE", external_id=None))
    person = {"id": template.recipients[0].id, "email": "bob@example.com", "name": "Bob"}
    used = client.envelopes.use(
        payload={"envelope_id": template.id, "external_id": "L-1", "recipients": [person]}
    )
    assert [recipient.email for recipient in used.recipients] == ["bob@example.com"]
    assert client.envelopes.get(envelope_id=used.id).external_id == "L-1"


def test_deleting_and_the_audit_log(client: Any) -> None:
    envelope_id = create(client)
    client.envelopes.distribute(envelope_id=envelope_id)
    log = client.envelope.envelope_audit_log_find(envelope_id=envelope_id, per_page=100)
    assert {entry.type for entry in log.data} >= {"DOCUMENT_CREATED", "RECIPIENT_CREATED", "DOCUMENT_SENT"}
    assert client.envelopes.delete(envelope_id=envelope_id).success
    with pytest.raises(sdk().models.EnvelopeGetNotFoundError, match="not found"):
        client.envelopes.get(envelope_id=envelope_id)


def test_a_download_reaches_the_file_that_the_sdk_cannot_decode(client: Any, documenso: Api) -> None:
    item = client.envelopes.get(envelope_id=create(client)).envelope_items[0]
    with pytest.raises(sdk().models.APIError, match="Unexpected response") as refused:
        client.envelopes.items.download(envelope_item_id=item.id)
    raw: httpx.Response = refused.value.raw_response
    assert (raw.status_code, raw.headers["content-type"]) == (200, "application/pdf")
    assert raw.content == documenso.get(f"/api/v2/envelope/item/{item.id}/download").content


def test_a_canceled_envelope_breaks_the_sdks_search(client: Any, documenso: Api) -> None:
    """Its enumerations lack CANCELLED, so one such row breaks a page."""
    envelope_id = create(client)
    client.envelopes.distribute(envelope_id=envelope_id)
    documenso.call("cancel", envelopeId=envelope_id)
    with pytest.raises(sdk().models.ResponseValidationError):
        client.envelope.envelope_find()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda it: it.envelopes.get(envelope_id="envelope_none"), "EnvelopeGetNotFoundError"),
        (lambda it: it.envelopes.get(envelope_id="none"), "EnvelopeGetBadRequestError"),
        (
            lambda it: it.envelopes.distribute(envelope_id="envelope_none"),
            "EnvelopeDistributeInternalServerError",
        ),
        (lambda it: create(it, title=""), "EnvelopeCreateBadRequestError"),
    ],
)
def test_every_error_becomes_the_sdks_own(client: Any, call: Callable[[Any], Any], error: str) -> None:
    with pytest.raises(getattr(sdk().models, error)) as refused:
        call(client)
    assert refused.value.data.message
    assert refused.value.data.code


@pytest.mark.parametrize(
    ("token", "error"),
    [("api_wrong", "EnvelopeFindUnauthorizedError"), (EXPIRED_KEY, "EnvelopeFindBadRequestError")],
)
def test_refused_tokens(documenso: Api, token: str, error: str) -> None:
    client = opened(api_key=token, server_url=address(documenso))
    with pytest.raises(getattr(sdk().models, error)) as refused:
        client.envelope.envelope_find()
    assert refused.value.data.code == "INTERNAL_SERVER_ERROR"
    assert json.loads(refused.value.body)["data"]["httpStatus"] == 401
