"""Check responses field by field against the provider's documentation."""

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.sandbox_kit import MUTUAL_NDA, ORDER_FORM, ORG_ID, Api, signature

SEND = "/turbosign/single/prepare-for-signing"
SIGNER = "signer1@example.com"
NOWHERE = "ffffffff-0000-4000-8000-000000000000"
BOX = {"recipientEmail": SIGNER, "page": 1, "x": 300, "y": 600, "width": 120, "height": 20}
LETTER_WIDTH = 612


def recipients(api: Api, document_id: str) -> dict[str, Any]:
    data: dict[str, Any] = api.get(f"/turbosign/documents/{document_id}/recipients").json()["data"]
    return data


def resend(api: Api, document_id: str, recipient_ids: list[str]) -> httpx.Response:
    path = f"/turbosign/documents/{document_id}/resend-email"
    return api.post(path, json={"recipientIds": recipient_ids})


def test_tags_are_objects_that_deliverables_share(api: Api) -> None:
    body = {"name": "First", "templateId": MUTUAL_NDA, "variables": [], "tags": ["hr", "contract"]}
    api.post("/v1/deliverable", json=body).raise_for_status()
    api.post("/v1/deliverable", json=body | {"name": "Second", "tags": ["hr"]}).raise_for_status()
    second, first = api.get("/v1/deliverable", params={"showTags": "true"}).json()["data"]["results"]
    keys = {"id", "label", "isActive", "updatedOn", "createdOn", "createdBy", "orgId"}
    assert [set(tag) for tag in first["tags"]] == [keys, keys]
    assert [tag["label"] for tag in first["tags"]] == ["hr", "contract"]
    assert first["tags"][0] == second["tags"][0]
    assert (first["tags"][0]["isActive"], first["tags"][0]["orgId"]) == (True, ORG_ID)


def test_selected_tags_are_ids_and_all_must_match(api: Api) -> None:
    body = {"name": "First", "templateId": MUTUAL_NDA, "variables": [], "tags": ["hr", "contract"]}
    api.post("/v1/deliverable", json=body).raise_for_status()
    api.post("/v1/deliverable", json=body | {"name": "Second", "tags": ["hr"]}).raise_for_status()
    listed = api.get("/v1/deliverable", params={"showTags": "true"}).json()["data"]["results"]
    hr, contract = (tag["id"] for tag in listed[1]["tags"])

    def names(*tags: str) -> list[str]:
        found = api.get("/v1/deliverable", params={"selectedTags": list(tags)}).json()["data"]["results"]
        return [deliverable["name"] for deliverable in found]

    assert (names(hr), names(hr, contract), names("hr"), names(NOWHERE)) == (
        ["Second", "First"],
        ["First"],
        [],
        [],
    )


def test_a_template_has_tag_objects_too(api: Api) -> None:
    files = {"templateFile": ("t.docx", api.get(f"/v1/deliverable/file/{api.deliverable()}").content)}
    data = {"name": "Letter", "tags": '["a"]'}
    answer = api.post("/template/upload-and-create", data=data, files=files)
    [tag] = answer.json()["data"]["results"]["template"]["tags"]
    listed = api.get("/template-item", params={"showTags": "true", "query": "Letter"}).json()["data"]
    assert listed["results"][0]["tags"] == [tag]


def test_a_deliverable_shows_tags_only_on_request(api: Api) -> None:
    path = f"/v1/deliverable/{api.deliverable()}"
    assert "tags" not in api.get(path).json()["data"]["results"]
    assert api.get(path, params={"showTags": "true"}).json()["data"]["results"]["tags"] == []


def test_a_creator_is_a_user_id_beside_an_email(api: Api) -> None:
    api.deliverable()
    [listed] = api.get("/v1/deliverable").json()["data"]["results"]
    assert "@" not in listed["createdBy"]
    assert "@" in listed["email"]


def test_a_pdf_template_generates_no_document(api: Api) -> None:
    body = {"name": "Order", "templateId": ORDER_FORM, "variables": []}
    answer = api.post("/v1/deliverable", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "SignatureOnlyTemplate")


def test_waiting_on_counts_the_recipients_that_have_not_signed(api: Api) -> None:
    sent = api.dispatch()
    document, (first, _) = sent["documentId"], sent["recipients"]
    assert recipients(api, document)["summary"]["waitingOn"] == 2
    api.post(f"/_sandbox/documents/{document}/recipients/{first['id']}/sign").raise_for_status()
    assert recipients(api, document)["summary"]["waitingOn"] == 1
    api.post(f"/turbosign/documents/{document}/void", json={"reason": "no"}).raise_for_status()
    assert recipients(api, document)["summary"]["waitingOn"] == 0


def test_a_resend_of_a_completed_document(api: Api) -> None:
    sent = api.dispatch(signers=1)
    api.complete(sent["documentId"]).raise_for_status()
    answer = resend(api, sent["documentId"], [sent["recipients"][0]["id"]])
    assert answer.status_code == 400
    assert answer.json() == {"error": "All recipients have already completed signing"}


@pytest.mark.parametrize("end", ["voided", "expired", "review"])
def test_a_resend_without_eligible_recipients(api: Api, end: str) -> None:
    if end == "review":
        sent = api.post("/turbosign/single/prepare-for-review", json=api.body(1)).json()
    else:
        days = json.dumps({"value": 2, "unit": "days"})
        sent = api.dispatch(signers=1, expirationEnabled=True, expireAfter=days)
    document, recipient = sent["documentId"], sent["recipients"][0]["id"]
    if end == "voided":
        api.post(f"/turbosign/documents/{document}/void", json={"reason": "no"}).raise_for_status()
    elif end == "expired":
        api.post("/_sandbox/clock", json={"days": 3}).raise_for_status()
    answer = resend(api, document, [recipient])
    assert (answer.status_code, answer.json()["invalidRecipientIds"]) == (400, [recipient])
    assert resend(api, NOWHERE, [recipient]).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/deliverable"),
        ("GET", "/template-item"),
        ("POST", SEND),
        ("GET", f"/turbosign/documents/{NOWHERE}/status"),
        ("POST", f"/turbosign/documents/{NOWHERE}/void"),
        ("GET", "/turbosign/embedded-signing-settings"),
        ("GET", "/api/webhooks/signature"),
    ],
)
def test_a_call_without_the_organization_header(api: Api, method: str, path: str) -> None:
    del api.headers["x-rapiddocx-org-id"]
    assert api.request(method, path).status_code == 403
    api.patch("/_sandbox/behaviour", json={"require_org_header": False}).raise_for_status()
    assert api.request(method, path).status_code != 403


def test_the_reminder_count_and_the_reminder_clock(api: Api) -> None:
    day = json.dumps({"value": 1, "unit": "days"})
    sent = api.dispatch(
        signers=1, remindersEnabled=True, reminderDelay=day, reminderInterval=day, maxReminders=1
    )
    document, recipient = sent["documentId"], sent["recipients"][0]["id"]

    def delivery() -> dict[str, Any]:
        shown: dict[str, Any] = recipients(api, document)["recipients"][0]["delivery"]
        return shown

    first = delivery()
    assert (first["reminderCount"], first["lastRemindedAt"]) == (0, first["firstSentOn"])
    api.post("/_sandbox/clock", json={"hours": 1}).raise_for_status()
    resend(api, document, [recipient]).raise_for_status()
    resent = delivery()
    assert (resent["totalSent"], resent["lastRemindedAt"]) == (2, first["lastRemindedAt"])
    assert resent["lastSentOn"] > first["lastSentOn"]
    api.post(f"/turbosign/documents/{document}/send-reminder", json={}).raise_for_status()
    manual = delivery()
    assert (manual["totalSent"], manual["reminderCount"]) == (3, 0)
    assert manual["lastRemindedAt"] == manual["lastSentOn"]
    api.post("/_sandbox/clock", json={"days": 3}).raise_for_status()
    assert (delivery()["totalSent"], delivery()["reminderCount"]) == (4, 1)


def test_reminders_and_expiry_have_the_documented_defaults(api: Api) -> None:
    document = api.dispatch(signers=1, remindersEnabled=True, expirationEnabled=True)["documentId"]
    api.post("/_sandbox/clock", json={"days": 116}).raise_for_status()
    delivery = recipients(api, document)["recipients"][0]["delivery"]
    assert (delivery["reminderCount"], delivery["warningCount"]) == (5, 0)
    api.post("/_sandbox/clock", json={"days": 3, "hours": 12}).raise_for_status()
    assert recipients(api, document)["recipients"][0]["delivery"]["warningCount"] == 3
    api.post("/_sandbox/clock", json={"hours": 13}).raise_for_status()
    assert api.status(document) == "expired"


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ({"type": "text", "x": -1}, "FieldOutOfBounds"),
        ({"type": "text", "x": LETTER_WIDTH - 100}, "FieldOutOfBounds"),
        ({"type": "text", "y": 780}, "FieldOutOfBounds"),
        ({"type": "text", "pageWidth": 400}, "FieldOutOfBounds"),
        ({"type": "text", "page": 2}, "FieldPageOutOfRange"),
        ({"type": "signature", "defaultValue": "Ada"}, "InvalidField"),
        ({"type": "date", "isReadonly": True}, "InvalidField"),
        ({"type": "date", "defaultValue": "02/31/2026"}, "InvalidDateValue"),
        ({"type": "date", "defaultValue": "2026-02-01"}, "InvalidDateValue"),
        ({"type": "text", "alignment": "middle"}, "InvalidField"),
        ({"type": "text", "metadata": {"conditional": {"operator": "is_checked"}}}, "InvalidConditionalRule"),
    ],
)
def test_fields_that_the_provider_rejects(api: Api, field: dict[str, Any], code: str) -> None:
    fields = json.dumps([signature(SIGNER, "{signature1}"), BOX | field])
    answer = api.post(SEND, json=api.body(1, fields=fields))
    assert answer.status_code == 400
    assert code in {answer.json().get("code"), answer.json().get("type")}


def test_a_signer_needs_a_required_field_that_they_can_fill(api: Api) -> None:
    fields = json.dumps([BOX | {"type": "text", "required": False}])
    answer = api.post(SEND, json=api.body(1, fields=fields))
    assert answer.json()["code"] == "NoEditableFieldsForRecipient"


def test_anchors_are_case_sensitive_unless_a_field_says_otherwise(api: Api) -> None:
    field = signature(SIGNER, "{SIGNATURE1}")
    answer = api.post(SEND, json=api.body(1, fields=json.dumps([field])))
    assert answer.json()["code"] == "TemplateProcessingFailed"
    field["template"]["caseSensitive"] = False
    assert api.post(SEND, json=api.body(1, fields=json.dumps([field]))).status_code == 200
