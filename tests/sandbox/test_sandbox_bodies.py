"""Test that bad input gets the documented error, without a 5xx, a traceback or a partial commit."""

import io
import json
import random
import zipfile
from typing import Any

import pytest

from tests.sandbox.sandbox_kit import ORDER_FORM, SERVICES_AGREEMENT, Api, signature

SEND = "/turbosign/single/prepare-for-signing"
ADA = {"name": "Ada", "email": "ada@example.com", "signingOrder": 1}
FIELD = signature("ada@example.com", "{signature1}")
PLACED = {"type": "signature", "recipientEmail": "ada@example.com", "x": 1, "y": 1, "width": 9, "height": 9}

HOSTILE_JSON = [
    b"{",
    b"\xff\xfe{}",
    '{"name": "x"}'.encode("utf-16"),
    b'{"name": NaN}',
    b'{"name": 1e999}',
    b'{"name": "\\ud800"}',
    b'{"name": ' + b"1" * 5000 + b"}",
    b"[" * 200_000,
    b"[]",
    b"null",
    b'"text"',
    b"<html></html>",
    b'{"variables": {"0": 1}, "tags": 7, "name": null, "templateId": []}',
]
ROUTES = [
    ("POST", "/v1/deliverable"),
    ("POST", SEND),
    ("POST", "/turbosign/single/prepare-for-review"),
    ("POST", "/api/webhooks"),
    ("PUT", "/_sandbox/faults"),
    ("POST", "/_sandbox/clock"),
    ("PATCH", "/_sandbox/behaviour"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_hostile_json_is_a_400(api: Api, method: str, path: str) -> None:
    for raw in HOSTILE_JSON:
        answer = api.request(method, path, content=raw, headers={"content-type": "application/json"})
        assert answer.status_code == 400, (raw[:40], answer.status_code)
        assert isinstance(answer.json(), dict)
    assert api.get("/_sandbox/ledger").json()["entries"] == []


def test_too_much_is_a_413(api: Api) -> None:
    big = b'{"name": "' + b"x" * (12 * 1024 * 1024) + b'"}'
    assert api.post("/v1/deliverable", content=big).status_code == 413
    assert api.post(SEND, content=(big[:1_000_000] for _ in range(13))).status_code == 413


def test_broken_forms_are_a_400(api: Api) -> None:
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        for raw in (b"", b"--x\r\nnonsense", b"--y\r\n\r\n", b"\0\0\0"):
            answer = api.post(SEND, content=raw, headers={"content-type": content_type})
            assert answer.status_code == 400, (content_type, raw)


SENDS: list[tuple[str, dict[str, Any]]] = [
    ("InvalidFileSource", {"templateId": None, "documentName": "x"}),
    ("InvalidFileSource", {"deliverableId": SERVICES_AGREEMENT, "templateId": SERVICES_AGREEMENT}),
    ("JSONParseError", {"recipients": "{"}),
    ("JSONParseError", {"recipients": [ADA]}),
    ("JSONParseError", {"fields": "{}"}),
    ("FieldsRequired", {"fields": None}),
    ("FieldsRequired", {"fields": "[]"}),
    ("SenderEmailRequired", {"senderEmail": None}),
    ("RecipientNameRequired", {"recipients": json.dumps([ADA | {"name": " "}])}),
    ("InvalidRecipient", {"recipients": json.dumps([ADA | {"email": "nobody"}])}),
    ("InvalidRecipient", {"recipients": json.dumps([ADA, ADA])}),
    ("InvalidRecipient", {"recipients": "[]"}),
    ("InvalidRecipient", {"recipients": json.dumps([ADA | {"signingOrder": 0}])}),
    ("InvalidRecipient", {"recipients": json.dumps([ADA | {"signingOrder": 1, "role": "client"}])}),
    ("InvalidRecipient", {"fields": json.dumps([FIELD | {"recipientEmail": "Ada@example.com"}])}),
    ("OptionalNotSupported", {"fields": json.dumps([FIELD | {"required": False}])}),
    ("InvalidFieldRequired", {"fields": json.dumps([FIELD | {"required": "no"}])}),
    ("NoEditableFieldsForRecipient", {"fields": json.dumps([FIELD | {"isReadonly": True}])}),
    ("FieldPageOutOfRange", {"fields": json.dumps([PLACED | {"page": 9}])}),
    ("TemplateProcessingFailed", {"fields": json.dumps([signature("ada@example.com", "{nowhere}")])}),
    ("RoleRequiresTemplate",
     {"recipients": json.dumps([{"name": "A", "email": "a@example.com", "role": "x"}]),
      "deliverableId": "made"}),
    ("TemplateRolesNeedPdfTemplate",
     {"recipients": json.dumps([{"name": "A", "email": "a@example.com", "role": "x"}])}),
    ("UnknownSignerRole", {"recipients": json.dumps([{"name": "A", "email": "a@example.com", "role": "x"}]),
                           "templateId": ORDER_FORM}),
    ("SignerRoleUnfilled",
     {"recipients": json.dumps([{"name": "A", "email": "a@example.com", "role": "countersigner"}]),
      "templateId": ORDER_FORM}),
    ("DuplicateSignerRole",
     {"recipients": json.dumps([{"name": "A", "email": "a@example.com", "role": "client"}] * 2),
      "templateId": ORDER_FORM}),
    ("DuplicateRoleEmail",
     {"recipients": json.dumps([{"name": "A", "email": "countersigner@example.com", "role": "client"}]),
      "templateId": ORDER_FORM}),
    ("DuplicateExternalId",
     {"recipients": json.dumps([ADA | {"externalId": "e"},
                                {"name": "B", "email": "b@example.com", "externalId": "e "}])}),
    ("OtpPhoneInvalid", {"recipients": json.dumps([ADA | {"phone": "12"}])}),
    ("OtpPhoneRequired",
     {"recipients": json.dumps([ADA | {"identityVerification": {"mode": "otp", "channel": "sms"}}])}),
    ("IdentityConfigInvalid", {"recipients": json.dumps([ADA | {"identityVerification": {"mode": "x"}}])}),
    ("IdentityConfigInvalid",
     {"recipients": json.dumps([ADA | {"identityVerification":
                                       {"mode": "external_idv", "provider": "p", "maxAgeMinutes": 1}}])}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "changes"), SENDS)
def test_documented_error_codes_of_a_send(api: Api, code: str, changes: dict[str, Any]) -> None:
    if changes.get("deliverableId") == "made":
        changes = changes | {"deliverableId": api.deliverable()}
    given = {"recipients": json.dumps([ADA]), "fields": json.dumps([FIELD])} | changes
    answer = api.post(SEND, json=api.body(**given))
    assert (answer.status_code, answer.json().get("code")) == (400, code), answer.text
    assert api.ledger("document_created") == []


@pytest.mark.parametrize(
    ("code", "schedule"),
    [
        ("ExpiryWindowTooShort", {"expireAfter": 0}),
        ("WarningIntervalTooShort", {"expirationWarningInterval": 0}),
        ("WarningExceedsExpiry", {"expireAfter": 2, "expirationWarning": 2}),
        ("ReminderDelayExceedsExpiry", {"expireAfter": 2, "reminderDelay": 3}),
        ("ReminderIntervalExceedsExpiry", {"expireAfter": 2, "reminderInterval": 2}),
    ],
)
def test_schedules_that_do_not_fit_together(api: Api, code: str, schedule: dict[str, int]) -> None:
    durations: dict[str, Any] = {
        name: json.dumps({"value": days, "unit": "days"}) for name, days in schedule.items()
    }
    answer = api.post(SEND, json=api.body(expirationEnabled=True, remindersEnabled=True, **durations))
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidSignatureSchedule")
    assert answer.json()["data"]["code"] == code


def upload(api: Api, content: bytes, name: str, **fields: str) -> Any:
    form = {"recipients": json.dumps([ADA]), "fields": json.dumps([PLACED | {"page": 1}])}
    form |= {"senderEmail": "me@example.com", "documentName": "Up"} | fields
    return api.post(SEND, data=form, files={"file": (name, content, "application/pdf")})


def office_file(**parts: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/") + ".xml", text)
    return out.getvalue()


def test_uploads_are_checked_by_their_content(api: Api) -> None:
    pdf = api.get(f"/v1/deliverable/file/pdf/{api.deliverable()}").content
    docx = api.get(f"/v1/deliverable/file/{api.deliverable()}").content
    assert upload(api, pdf, "a.pdf").status_code == 200
    assert upload(api, docx, "a.docx").status_code == 200
    assert upload(api, pdf, "a.exe").json()["code"] == "UnsupportedFileType"
    bomb = office_file(word__document="<a>" + " " * 30_000_000 + "</a>")
    doctype = office_file(word__document='<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    for content in (b"", b"%PDF-1.7 nonsense", b"PK nonsense", b"GIF89a", docx[:-40], bomb, doctype):
        answer = upload(api, content, "a.pdf")
        assert (answer.status_code, answer.json()["code"]) == (400, "InvalidFile"), content[:20]
    huge = upload(api, b"%PDF" + b"0" * (10 * 1024 * 1024), "a.pdf")
    assert (huge.status_code, huge.json()["code"]) == (413, "FileTooLarge")


@pytest.mark.heavy
def test_damaged_pdfs_break_nothing(api: Api) -> None:
    good = api.get(f"/v1/deliverable/file/pdf/{api.deliverable()}").content
    dice = random.Random(5)
    fields = json.dumps([PLACED | {"page": 1}, FIELD])
    taken = 0
    for _ in range(60):
        broken = bytearray(good)
        for _ in range(dice.choice((1, 5, 40))):
            broken[dice.randrange(len(broken))] = dice.choice((0, 32, 48, 57, 60, 91, 255))
        sent = upload(api, bytes(broken), "a.pdf", fields=fields)
        assert sent.status_code in {200, 400}, sent.text
        if sent.status_code == 200:
            taken += 1
            link = api.get("/_sandbox/emails").json()["emails"][0]["link"]
            assert api.get(link).status_code == 200
            assert api.get(f"{link}/document.pdf").status_code == 200
            assert api.complete(sent.json()["documentId"]).status_code == 200
    assert 5 < taken < 55


def test_a_form_without_a_file_is_taken_too(api: Api) -> None:
    form = {key: (None, str(value)) for key, value in api.body(sendEmail="false").items()}
    answer = api.post(SEND, files=form)
    assert answer.status_code == 200, answer.text
    assert api.ledger("email_sent") == []


def test_a_link_is_fetched_or_refused(api: Api) -> None:
    document = api.dispatch(signers=1)["documentId"]
    api.complete(document)
    link = api.get(f"/turbosign/documents/{document}/download").json()["downloadUrl"]
    fields = json.dumps([PLACED | {"page": 1}])
    given: dict[str, Any] = {"recipients": json.dumps([ADA]), "fields": fields}
    assert api.post(SEND, json=api.body(fileLink=link, **given)).status_code == 200
    for url, code in (
        ("file:///etc/passwd", "InvalidFileSource"),
        ("http://127.0.0.1:9/x", "FileFetchFailed"),
    ):
        answer = api.post(SEND, json=api.body(fileLink=url, **given))
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_templates_are_uploaded_with_their_variables(api: Api) -> None:
    text = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in ("Dear {Who},", "{signature1}"))
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    content = office_file(word__document=f'<w:d xmlns:w="{space}">{text}</w:d>')
    files = {"templateFile": ("t.docx", content)}
    answer = api.post("/template/upload-and-create", data={"name": "Letter", "tags": '["a"]'}, files=files)
    template = answer.json()["data"]["results"]["template"]
    assert (template["isActive"], [tag["label"] for tag in template["tags"]]) == (1, ["a"])
    assert [variable["placeholder"] for variable in template["variables"]] == ["{Who}"]
    listed = api.get("/template-item", params={"query": "lett", "showTags": "true"}).json()["data"]
    assert [result["id"] for result in listed["results"]] == [template["id"]]
    preview = api.get(api.get(f"/template/{template['id']}/previewpdflink").json()["results"])
    assert preview.content.startswith(b"%PDF")
    assert api.delete(f"/template/{template['id']}").status_code == 200
    assert api.get(f"/template/{template['id']}").status_code == 404


def test_unknown_places_and_methods(api: Api) -> None:
    assert api.get("/v2/deliverable").status_code == 404
    assert api.put("/v1/deliverable").status_code == 405
    assert api.get("/v1/deliverable", params={"limit": 101}).status_code == 400
    assert api.get("/v1/deliverable", params={"offset": "10000000000000000000000"}).status_code == 400
    assert api.get("/turbosign/documents/nope/status").json()["data"]["errors"][0]["path"] == "documentId"


def test_names_that_are_awkward_in_headers(api: Api) -> None:
    name = 'a"b\\c\r\nx: y/é✓'
    deliverable = api.deliverable(name)
    answer = api.get(f"/v1/deliverable/file/pdf/{deliverable}")
    assert answer.status_code == 200
    assert "x" not in answer.headers


@pytest.mark.heavy
@pytest.mark.parametrize("value", [[], None, 1.5, "x"], ids=repr)
def test_any_type_in_any_field_of_a_send_is_taken_or_refused(api: Api, value: object) -> None:
    person = [{"role": "client", "name": "Ada", "email": "ada@example.com"}]
    good = api.body(templateId=ORDER_FORM, fields=None, recipients=json.dumps(person))
    names = [*good, "fields", "ccEmails", "sendEmail", "maxReminders", "remindersEnabled", "expireAfter"]
    for name in [*names, "fileLink", "deliverableId", "fileName", "documentDescription"]:
        answer = api.post(SEND, json=good | {name: value})
        assert answer.status_code in {200, 400}, (name, answer.text)


@pytest.mark.heavy
@pytest.mark.parametrize("value", [[], None, 1.5, "x"], ids=repr)
def test_any_type_in_any_part_of_recipients_and_fields_is_taken_or_refused(api: Api, value: object) -> None:
    for name in [
        "name",
        "email",
        "signingOrder",
        "role",
        "metadata",
        "phone",
        "externalId",
        "identityVerification",
    ]:
        answer = api.post(SEND, json=api.body(recipients=json.dumps([ADA | {name: value}])))
        assert answer.status_code == 400, (name, answer.text)
    for name in [*FIELD, *PLACED, "page", "required", "defaultValue", "metadata", "isReadonly"]:
        given: dict[str, Any] = {
            "recipients": json.dumps([ADA]),
            "fields": json.dumps([FIELD | {name: value}]),
        }
        answer = api.post(SEND, json=api.body(**given))
        assert answer.status_code in {200, 400}, (name, answer.text)
    for name in ["anchor", "searchText", "placement", "size", "offset", "useRegex"]:
        field = FIELD | {"template": FIELD["template"] | {name: value}}
        given = {"recipients": json.dumps([ADA]), "fields": json.dumps([field])}
        answer = api.post(SEND, json=api.body(**given))
        assert answer.status_code in {200, 400}, (name, answer.text)
