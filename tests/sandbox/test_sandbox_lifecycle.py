"""Test the life cycle of a document: signing order, time, and content of the PDF."""

import hashlib
import io
import json
import uuid
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from tests.sandbox.sandbox_kit import MUTUAL_NDA, ORDER_FORM, Api, signature, text_of

pytestmark = pytest.mark.thorough


def act(api: Api, document: str, recipient: str, what: str) -> httpx.Response:
    return api.post(f"/_sandbox/documents/{document}/recipients/{recipient}/{what}")


def recipients(api: Api, document: str) -> dict[str, Any]:
    shown: dict[str, Any] = api.get(f"/turbosign/documents/{document}/recipients").json()["data"]
    return shown


def download(api: Api, document: str) -> bytes:
    url = api.get(f"/turbosign/documents/{document}/download").json()["downloadUrl"]
    answer = httpx.get(url)
    assert answer.status_code == 200
    return answer.content


def test_signers_sign_in_their_order(api: Api) -> None:
    sent = api.dispatch()
    document, (first, second) = sent["documentId"], (recipient["id"] for recipient in sent["recipients"])
    refused = act(api, document, second, "sign")
    assert (refused.status_code, refused.json()["code"]) == (409, "NotSignersTurn")
    assert recipients(api, document)["summary"]["waitingOn"] == 2
    for _ in range(2):
        assert act(api, document, first, "view").status_code == 200
    assert recipients(api, document)["recipients"][0]["status"] == "viewed"
    assert act(api, document, first, "sign").status_code == 200
    assert act(api, document, first, "sign").json()["code"] == "RecipientAlreadySigned"
    to = [entry["details"]["to"] for entry in api.ledger("email_sent")]
    assert to == ["signer1@example.com", "signer2@example.com"]
    assert act(api, document, second, "sign").status_code == 200
    assert api.status(document) == "completed"
    assert len(api.ledger("document_viewed")) == 2


def test_signers_of_one_order_sign_in_any(api: Api) -> None:
    people = [{"name": n, "email": f"{n}@example.com", "signingOrder": 1} for n in ("a", "b")]
    fields = [signature("a@example.com", "{signature1}"), signature("b@example.com", "{signature2}")]
    sent = api.dispatch(recipients=json.dumps(people), fields=json.dumps(fields))
    assert recipients(api, sent["documentId"])["summary"]["waitingOn"] == 2
    for recipient in reversed(sent["recipients"]):
        assert act(api, sent["documentId"], recipient["id"], "sign").status_code == 200
    assert api.status(sent["documentId"]) == "completed"


def test_a_send_without_emails_invites_only_on_request_and_in_signing_order(api: Api) -> None:
    sent = api.dispatch(sendEmail=False, remindersEnabled=True, expirationEnabled=False)
    document, (first, second) = (
        sent["documentId"],
        (recipient["id"] for recipient in sent["recipients"]),
    )

    def resend(recipient: str) -> int:
        answer = api.post(f"/turbosign/documents/{document}/resend-email", json={"recipientIds": [recipient]})
        return answer.status_code

    def written_to() -> list[str]:
        return [entry["details"]["to"] for entry in api.ledger("email_sent")]

    def counted() -> list[int]:
        return [recipient["delivery"]["totalSent"] for recipient in recipients(api, document)["recipients"]]

    assert "sendEmail: false" in sent["message"]
    assert api.post("/_sandbox/clock", json={"days": 30}).status_code == 200
    assert (written_to(), counted()) == ([], [0, 0])
    assert (resend(second), resend(first)) == (400, 200)
    assert (written_to(), counted()) == (["signer1@example.com"], [1, 0])
    assert act(api, document, first, "sign").status_code == 200
    assert written_to() == ["signer1@example.com"]
    assert (resend(first), resend(second)) == (400, 200)
    assert (written_to(), counted()) == (["signer1@example.com", "signer2@example.com"], [1, 1])


def test_the_generated_pdf_holds_its_variables(api: Api) -> None:
    deliverable = api.deliverable(CustomerName="Zoë Ångström", Price="1,000 €", Extra="not in the template")
    content = api.get(f"/v1/deliverable/file/pdf/{deliverable}").content
    text = text_of(content)
    assert "Zoë Ångström" in text
    assert "1,000 EUR" in text
    assert "Extra: not in the template" in text
    metadata = PdfReader(io.BytesIO(content)).metadata
    assert metadata is not None
    assert "{Price}=1,000 €" in str(metadata["/Keywords"])
    answer = api.get(f"/v1/deliverable/file/{deliverable}")
    assert answer.headers["content-disposition"].startswith('attachment; filename="Contract.docx"')


RICH: list[tuple[list[str], dict[str, Any], list[str]]] = [
    (["{A}!"], {"text": "<p>One</p><p>Two &amp; <b>3</b></p>", "mimeType": "html"}, ["One", "Two & 3!"]),
    (["{A}"], {"text": "# Head\n**bold** text", "mimeType": "markdown"}, ["Head", "bold text"]),
    (
        ["{A}"],
        {
            "text": "<table><tr><th>I</th><th>P</th></tr><tr><td>x</td><td>1</td></tr></table>",
            "mimeType": "html",
        },
        ["I | P", "x | 1"],
    ),
    (
        ["- {A} by {Who}"],
        {
            "variableStack": [
                {"text": "a", "subvariables": [{"placeholder": "{Who}", "text": "Ann"}]},
                {"text": "b", "subvariables": [{"placeholder": "{Who}", "text": "Bo"}]},
            ],
            "mimeType": "text",
        },
        ["- a by Ann", "- b by Bo"],
    ),
    (
        ["{#A}{n}: {p.net}", "of {who}{/}", "end {A.length}"],
        {
            "value": [{"n": 1, "p": {"net": 2.5}, "who": "Ann"}, {"n": 2, "p": {"net": 3}, "who": True}],
            "mimeType": "json",
            "usesAdvancedTemplatingEngine": True,
        },
        ["1: 2.5", "of Ann", "2: 3", "of true", "end {A.length}"],
    ),
    (
        ["{A.name} in {A.at.city}"],
        {
            "value": {"name": "Ann", "at": {"city": "Bern"}},
            "mimeType": "json",
            "usesAdvancedTemplatingEngine": True,
        },
        ["Ann in Bern"],
    ),
    (
        ["none"],
        {"value": [{"n": "x"}], "mimeType": "json", "usesAdvancedTemplatingEngine": True},
        ["none", "A: x"],
    ),
]


@pytest.mark.parametrize(("lines", "variable", "shown"), RICH)
def test_rich_variables_are_shown(
    api: Api, lines: list[str], variable: dict[str, Any], shown: list[str]
) -> None:
    template = str(uuid.uuid4())
    body = {"id": template, "name": "R", "paragraphs": [["text", line] for line in lines]}
    api.post("/_sandbox/templates", json=body).raise_for_status()
    sent = {"name": "Rich", "templateId": template, "variables": [{"placeholder": "{A}"} | variable]}
    made = api.post("/v1/deliverable", json=sent)
    assert made.status_code == 200, made.text
    content = api.get(
        f"/v1/deliverable/file/pdf/{made.json()['data']['results']['deliverable']['id']}"
    ).content
    found = [line.strip() for line in text_of(content).splitlines()]
    assert [line for line in found if line and line != "Particulars"] == shown


@pytest.mark.parametrize(
    "variable",
    [
        {"value": [1], "mimeType": "json"},
        {"value": [1], "mimeType": "text"},
        {"mimeType": "json", "usesAdvancedTemplatingEngine": True},
        {"text": "data:image/png;base64,AAAA", "mimeType": "image"},
        {"text": "data:image/png;base64,!", "mimeType": "image"},
    ],
)
def test_unreadable_variables_are_refused(api: Api, variable: dict[str, Any]) -> None:
    body = {"name": "Bad", "templateId": MUTUAL_NDA, "variables": [{"placeholder": "{A}"} | variable]}
    assert api.post("/v1/deliverable", json=body).status_code == 400


def test_a_loop_is_one_variable_of_its_template(api: Api) -> None:
    lines = ["{Name}", "{#Items}{n}", "{p}{/Items} {signature1}", "{Customer.name} {#Rest}{x}{/} {Last}"]
    body = {"name": "L", "paragraphs": [["text", line] for line in lines]}
    made = api.post("/_sandbox/templates", json=body).json()
    assert made["variables"] == ["{Name}", "{Items}", "{Customer}", "{Rest}", "{Last}"]


def test_the_signed_pdf_is_stamped_and_its_hash_is_the_events(api: Api) -> None:
    fields = [
        signature("signer1@example.com", "{signature1}"),
        signature("signer1@example.com", "{date1}") | {"type": "date"},
    ]
    document = api.dispatch(signers=1, fields=json.dumps(fields))["documentId"]
    shown = api.complete(document).json()
    content = download(api, document)
    assert hashlib.sha256(content).hexdigest() == shown["document_hash"]
    text = text_of(content)
    signed_on = shown["recipients"][0]["signed_on"]
    assert f"Signer 1 {signed_on}" in text
    assert signed_on[:10] in text.replace(signed_on, "")
    assert document in text


def test_a_download_link_expires_and_takes_no_second_credential(api: Api) -> None:
    document = api.dispatch()["documentId"]
    refused = api.get(f"/turbosign/documents/{document}/download")
    assert (refused.status_code, refused.json()["type"]) == (400, "DocumentNotCompleted")
    api.complete(document)
    url = api.get(f"/turbosign/documents/{document}/download").json()["downloadUrl"]
    assert api.get(url).status_code == 400
    assert "Only one auth mechanism" in api.get(url).text
    assert httpx.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    api.post("/_sandbox/clock", json={"hours": 2})
    expired = httpx.get(url)
    assert expired.status_code == 403
    assert "Request has expired" in expired.text
    assert download(api, document).startswith(b"%PDF")


def test_expiry_shows_at_once_and_is_swept_later(api: Api) -> None:
    days = json.dumps({"value": 2, "unit": "days"})
    sent = api.dispatch(expirationEnabled=True, expireAfter=days)
    document = sent["documentId"]
    link = api.get("/_sandbox/emails").json()["emails"][0]["link"]
    api.patch("/_sandbox/behaviour", json={"expiry_lag": 3600})
    api.post("/_sandbox/clock", json={"days": 2, "seconds": 1})
    shown = recipients(api, document)
    assert (shown["document"]["status"], shown["recipients"][0]["effectiveStatus"]) == (
        "under_review",
        "expired",
    )
    assert shown["summary"]["waitingOn"] == 0
    refused = httpx.get(link)
    assert (refused.status_code, refused.headers["x-error-code"]) == (410, "DocumentExpired")
    signed = act(api, document, sent["recipients"][0]["id"], "sign")
    assert (signed.status_code, signed.json()["code"]) == (410, "DocumentExpired")
    api.post("/_sandbox/clock", json={"hours": 2})
    assert api.status(document) == "expired"
    void = api.post(f"/turbosign/documents/{document}/void", json={"reason": "late"})
    assert (void.status_code, void.json()["status"]) == (409, "expired")


def test_reminders_and_warnings_follow_the_schedule(api: Api) -> None:
    def days(number: int) -> str:
        return json.dumps({"value": number, "unit": "days"})

    document = api.dispatch(
        remindersEnabled=True,
        reminderDelay=days(2),
        reminderInterval=days(1),
        maxReminders=2,
        expirationEnabled=True,
        expireAfter=days(10),
        expirationWarning=days(1),
    )["documentId"]
    api.post("/_sandbox/clock", json={"days": 1})
    assert api.ledger("reminder_sent") == []
    api.post("/_sandbox/clock", json={"days": 7})
    delivery = recipients(api, document)["recipients"][0]["delivery"]
    assert (delivery["reminderCount"], delivery["totalSent"], delivery["warningCount"]) == (2, 3, 0)
    api.post("/_sandbox/clock", json={"days": 1, "hours": 1})
    delivery = recipients(api, document)["recipients"][0]["delivery"]
    assert (delivery["warningCount"], delivery["totalSent"]) == (1, 4)


def test_a_manual_reminder_does_not_use_up_the_schedule(api: Api) -> None:
    sent = api.dispatch()
    first, second = (recipient["id"] for recipient in sent["recipients"])
    path = f"/turbosign/documents/{sent['documentId']}/send-reminder"
    results = api.post(path, json={}).json()["data"]["results"]
    assert [result["status"] for result in results] == ["sent", "skipped_wrong_order"]
    assert results[0]["reminderCount"] == 0
    refused = api.post(path, json={"recipientIds": [first, second]})
    assert (refused.status_code, refused.json()["invalidRecipientIds"]) == (400, [second])
    assert len(api.ledger("reminder_sent")) == 1


@pytest.mark.parametrize("end", ["completed", "voided"])
def test_what_has_ended_stays_ended(api: Api, end: str) -> None:
    sent = api.dispatch(signers=1)
    document = sent["documentId"]
    if end == "completed":
        api.complete(document)
    else:
        api.post(f"/turbosign/documents/{document}/void", json={"reason": "no"})
    again = api.post(f"/turbosign/documents/{document}/void", json={"reason": "no"})
    assert (again.status_code, again.json()["code"]) == (409, "DocumentNotActionable")
    assert api.complete(document).status_code == 409
    assert api.status(document) == end
    reminder = api.post(f"/turbosign/documents/{document}/send-reminder", json={})
    if end == "completed":
        [result] = reminder.json()["data"]["results"]
        assert result["status"] == "skipped_completed"
    else:
        assert (reminder.status_code, reminder.json()["status"]) == (409, end)


def test_a_pdf_template_with_roles_is_signed_where_its_fields_are(api: Api) -> None:
    people = [
        {"role": "client", "name": "Ada", "email": "ada@example.com"},
        {"role": "countersigner", "name": "Bob", "email": "bob@example.com"},
    ]
    sent = api.dispatch(templateId=ORDER_FORM, recipients=json.dumps(people), fields=None)
    assert [(recipient["name"], recipient["signingOrder"]) for recipient in sent["recipients"]] == [
        ("Ada", 1),
        ("Bob", 2),
    ]
    api.complete(sent["documentId"])
    assert {"Ada", "Bob"} <= set(text_of(download(api, sent["documentId"])).split())


def test_the_audit_trail_is_a_chain_that_anyone_can_check(api: Api) -> None:
    api.headers["x-timezone"] = "Europe/Berlin"
    document = api.dispatch()["documentId"]
    api.complete(document)
    trail = api.get(f"/turbosign/documents/{document}/audit-trail").json()["data"]["auditTrail"]
    assert len(trail) > 5
    assert trail[0]["details"]["timezone"] == "Europe/Berlin"
    previous = None
    for entry in trail:
        names = ("id", "documentId", "actionType", "timestamp", "previousHash", "details")
        hashed = {name: entry[name] for name in names} | {"recipientId": entry.get("recipientId")}
        text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
        assert entry["previousHash"] == previous
        assert entry["currentHash"] == hashlib.sha256(text.encode()).hexdigest()
        previous = entry["currentHash"]


def test_the_ledger_names_the_request_that_did_it(api: Api) -> None:
    api.post(
        "/turbosign/single/prepare-for-signing",
        json=api.body(title="T [REF~abcdef]"),
        headers={"idempotency-key": "key-1", "user-agent": "tester"},
    )
    [entry] = api.ledger("document_created")
    assert entry["details"]["title"] == "T [REF~abcdef]"
    assert entry["request"] == {
        "method": "POST",
        "path": "/turbosign/single/prepare-for-signing",
        "headers": {"user-agent": "tester", "idempotency-key": "key-1"},
    }
    found = api.get("/_sandbox/documents", params={"title": "REF~abcdef"}).json()["documents"]
    assert [document["id"] for document in found] == [entry["subject"]]
