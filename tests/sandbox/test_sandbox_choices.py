"""Test the switches for what the contract leaves open."""

import json
from typing import Any

import pytest

from tests.sandbox.sandbox_kit import Api, text_of

SEND = "/turbosign/single/prepare-for-signing"
TEMPLATE = "aaaaaaaa-0000-4000-8000-000000000001"


def switch(api: Api, **choices: Any) -> None:
    answer = api.patch("/_sandbox/behaviour", json=choices)
    assert answer.status_code == 200, answer.text


def test_the_casing_of_a_sends_status(api: Api) -> None:
    assert api.dispatch()["status"] == "UNDER_REVIEW"
    switch(api, reply_status_case="lower")
    assert api.dispatch()["status"] == "under_review"


def test_idempotency_keys_are_an_extension(api: Api) -> None:
    key = {"idempotency-key": "k-1"}
    for _ in range(2):
        api.post(SEND, json=api.body(), headers=key)
    assert len(api.ledger("document_created")) == 2
    switch(api, idempotency_keys=True)
    first, again = (api.post(SEND, json=api.body(), headers=key) for _ in range(2))
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(api.ledger("document_created")) == 3
    other = api.post(SEND, json=api.body(title="Another"), headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "IdempotencyKeyReused")
    api.put("/_sandbox/faults", json={"api": [{"path": SEND, "do": "status", "status": 502, "at": "after"}]})
    key = {"idempotency-key": "k-2"}
    assert api.post(SEND, json=api.body(), headers=key).status_code == 502
    assert api.post(SEND, json=api.body(), headers=key).json()["success"] is True
    assert len(api.ledger("document_created")) == 4


def test_booleans_as_the_database_has_them(api: Api) -> None:
    switch(api, booleans_as_numbers=True)
    api.deliverable()
    listed = api.get("/v1/deliverable").json()["data"]["results"][0]
    assert json.dumps(listed["isActive"]) == "1"


def test_settings_of_the_license_and_the_plan(api: Api) -> None:
    deliverable = api.deliverable()
    switch(api, file_download_licence=False, sms_entitled=False)
    assert api.get(f"/v1/deliverable/file/{deliverable}").status_code == 403
    assert api.get(f"/v1/deliverable/file/pdf/{deliverable}").status_code == 200
    sms = {"mode": "otp", "channel": "sms"}
    assert refused(api, sms) == (402, "OtpNotEntitled")


def refused(api: Api, identity: dict[str, Any]) -> tuple[int, str]:
    person: dict[str, Any] = {"name": "A", "email": "signer1@example.com", "phone": "+4915112345678"}
    person |= {"identityVerification": identity}
    answer = api.post(SEND, json=api.body(1, recipients=json.dumps([person])))
    return answer.status_code, answer.json().get("code", "")


def test_settings_of_the_organization(api: Api) -> None:
    external = {"mode": "external_idv", "provider": "p", "maxAgeMinutes": 60}
    override = {"mode": "override", "overrideIdentityVerification": True, "reason": "test"}
    assert refused(api, override) == (200, "")
    switch(api, allow_external_idv=False, allow_identity_override=False)
    assert refused(api, external) == (403, "ExternalIdvNotAllowed")
    assert refused(api, override) == (403, "IdentityOverrideNotAllowed")
    switch(api, default_channel="email", allow_channel_override=False)
    assert refused(api, {"mode": "otp", "channel": "sms"}) == (403, "OtpOverrideNotAllowed")
    assert refused(api, {"mode": "otp"}) == (200, "")
    switch(api, embedded_signing=False)
    assert refused(api, {"mode": "otp"}) == (403, "EmbeddedSigningNotEnabled")


def test_no_sender_name_where_the_key_has_none(api: Api) -> None:
    assert api.post(SEND, json=api.body(senderName=None)).status_code == 200
    switch(api, default_sender_name="")
    answer = api.post(SEND, json=api.body(senderName=None))
    assert (answer.status_code, answer.json()["code"]) == (400, "SenderNameRequired")


@pytest.mark.parametrize(
    "choice", [{"reply_status_case": "Upper"}, {"retry_delays": [1]}, {"nonsense": True}]
)
def test_a_switch_that_is_none_is_refused(api: Api, choice: dict[str, Any]) -> None:
    before = api.get("/_sandbox/behaviour").json()
    assert api.patch("/_sandbox/behaviour", json=choice).status_code == 400
    assert api.get("/_sandbox/behaviour").json() == before


def test_a_replaced_key_is_refused_at_once_and_comes_back_with_a_reset(api: Api) -> None:
    api.put("/_sandbox/access", json={"api_key": "TDX-test-new"}).raise_for_status()
    assert api.get("/template-item").status_code == 401
    api.headers["authorization"] = "Bearer TDX-test-new"
    assert api.get("/template-item").status_code == 200
    api.post("/_sandbox/reset").raise_for_status()
    assert api.get("/template-item").status_code == 401


def test_templates_can_be_added_with_an_id(api: Api) -> None:
    body = {
        "id": TEMPLATE,
        "name": "Letter",
        "paragraphs": [["title", "Letter"], ["text", "Dear {Who}, {signature1}"]],
    }
    assert api.post("/_sandbox/templates", json=body).json() == {"id": TEMPLATE, "variables": ["{Who}"]}
    document = api.dispatch(signers=1, templateId=TEMPLATE)["documentId"]
    assert api.complete(document).status_code == 200
    assert "Dear" in text_of(api.get(f"/_sandbox/templates/{TEMPLATE}.pdf").content)
    bodies: list[dict[str, Any]] = [{"paragraphs": []}, {"roles": [{"key": "x"}]}, {"id": "x"}]
    for bad in bodies:
        assert api.post("/_sandbox/templates", json=body | bad).status_code == 400
