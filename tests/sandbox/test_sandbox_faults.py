"""Test scripted faults, with the ledger as the record of the work."""

import json
import socket
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.polling import poll
from tests.sandbox.sandbox_kit import ORG_ID, Api, Receiver, text_of

pytestmark = pytest.mark.thorough

SEND = "/turbosign/single/prepare-for-signing"


def set_faults(api: Api, *, webhooks: list[dict[str, Any]] | None = None, **rule: Any) -> None:
    script = {"api": [rule] if rule else [], "webhooks": webhooks or []}
    answer = api.put("/_sandbox/faults", json=script)
    assert answer.status_code == 200, answer.text


def attempt(api: Api) -> httpx.Response | None:
    """Send once; returns None without a readable response."""
    try:
        return api.post(SEND, json=api.body(), timeout=30)
    except httpx.HTTPError:
        return None


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize(
    "fault",
    [
        {"do": "drop"},
        {"do": "reset"},
        {"do": "hang", "seconds": 0.05},
        {"do": "truncate"},
        {"do": "content_length", "length": 10},
        {"do": "corrupt"},
        {"do": "empty"},
        {"do": "html", "status": 200},
        {"do": "status", "status": 502, "body": "bad gateway"},
        {"do": "gzip", "size": 1000},
    ],
    ids=lambda fault: fault["do"],
)
def test_a_lost_response_commits_only_with_at_after(api: Api, at: str, fault: dict[str, Any]) -> None:
    set_faults(api, path=SEND, method="POST", at=at, **fault)
    answer = attempt(api)
    assert answer is None or not _readable(answer), "the answer got through"
    created = api.ledger("document_created")
    assert len(created) == (1 if at == "after" else 0)
    assert all(entry["request"]["fault"] == f"{fault['do']} after" for entry in created)
    assert attempt(api) is not None, "it happens once, unless more is asked for"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_a_rejection_after_the_commit_leaves_a_live_document(api: Api, status: int) -> None:
    set_faults(api, path=SEND, method="POST", do="status", status=status, at="after")
    answer = attempt(api)
    assert answer is not None
    assert answer.status_code == status
    [created] = api.ledger("document_created")
    assert created["request"]["fault"] == "status after"
    assert api.status(created["subject"]) == "under_review"
    assert [entry["details"]["email"] for entry in api.ledger("email_sent")] == ["signature_request"]


def test_a_429_after_the_commit_has_a_retry_after(api: Api) -> None:
    set_faults(api, path=SEND, method="POST", do="rate_limit", retry_after=1, at="after")
    answer = attempt(api)
    assert answer is not None
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert len(api.ledger("document_created")) == 1


def test_another_member_makes_a_document_with_the_same_title(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    title = "Contract [A-1~abcdef]"
    sent = api.dispatch(signers=1, title=title)
    forged = {
        "title": title,
        "recipients": [{"name": "Signer 1", "email": "signer1@example.com"}],
        "text": "Other words.",
        "sender_email": "colleague@example.com",
        "created_on": "2026-01-31T12:00:00Z",
    }
    made = api.post("/_sandbox/documents", json=forged).json()
    assert made["id"] != sent["documentId"]
    data = api.get(f"/turbosign/documents/{made['id']}/recipients").json()["data"]
    assert data["document"]["name"] == title
    assert data["document"]["sentBy"]["email"] == "colleague@example.com"
    assert data["document"]["createdOn"] == "2026-01-31T12:00:00.000Z"
    assert [delivery.data["title"] for delivery in receiver.wait(2)] == [title, title]
    api.complete(made["id"]).raise_for_status()
    link = api.get(f"/turbosign/documents/{made['id']}/download").json()["downloadUrl"]
    assert "Other words." in text_of(httpx.get(link).content)
    assert api.status(sent["documentId"]) == "under_review"


def _readable(answer: httpx.Response) -> bool:
    try:
        return answer.status_code == 200 and "documentId" in answer.json()
    except ValueError:
        return False


def test_a_reset_is_a_reset_and_a_drop_is_none(api: Api) -> None:
    set_faults(api, path=SEND, do="reset")
    with pytest.raises(httpx.ReadError):
        api.post(SEND, json=api.body())
    set_faults(api, path=SEND, do="drop")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        api.post(SEND, json=api.body())


def test_a_late_commit_lands_after_the_client_has_given_up(api: Api) -> None:
    set_faults(api, path=SEND, do="status", status=504, at="late", commit_after=0.3)
    answer = attempt(api)
    assert answer is not None
    assert answer.status_code == 504
    assert api.ledger("document_created") == []
    created = poll(lambda: api.ledger("document_created"))
    assert created[0]["request"]["fault"] == "status late"


@pytest.mark.parametrize("given", ["3", "-5", "soon", "1000000000", None])
def test_every_kind_of_retry_after(api: Api, given: str | None) -> None:
    set_faults(api, path=SEND, do="rate_limit", retry_after=given)
    answer = attempt(api)
    assert answer is not None
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == given
    assert api.ledger("document_created") == []


def test_retry_after_as_a_date(api: Api) -> None:
    set_faults(api, path=SEND, do="rate_limit", retry_after_date=120)
    answer = attempt(api)
    assert answer is not None
    away = parsedate_to_datetime(answer.headers["retry-after"]).timestamp() - time.time()
    assert 110 <= away <= 121


def test_latency_keeps_the_answer(api: Api) -> None:
    set_faults(api, path=SEND, do="latency", seconds=0.05, at="after")
    answer = attempt(api)
    assert answer is not None
    assert answer.json()["success"] is True


def test_a_redirect_and_a_wrong_content_type(api: Api) -> None:
    set_faults(api, path="*/status", do="redirect", status=307, location="http://elsewhere.invalid/")
    document = api.dispatch()["documentId"]
    answer = api.get(f"/turbosign/documents/{document}/status")
    assert (answer.status_code, answer.headers["location"]) == (307, "http://elsewhere.invalid/")
    set_faults(api, path="*/status", do="content_type", content_type="text/html", at="after")
    answer = api.get(f"/turbosign/documents/{document}/status")
    assert answer.headers["content-type"] == "text/html"
    assert answer.json() == {"data": {"status": "under_review"}}


def test_fields_of_a_response_are_replaced(api: Api) -> None:
    set_faults(api, path=SEND, do="fields", at="after", fields={"documentId": None, "extra": 1})
    answer = api.dispatch()
    assert (answer["documentId"], answer["extra"], answer["success"]) == (None, 1, True)
    [document] = api.ledger("document_created")
    api.complete(document["subject"])
    set_faults(api, path="/_sandbox/storage/*", do="fields", at="after", fields={"extra": 1})
    url = api.get(f"/turbosign/documents/{document['subject']}/download").json()["downloadUrl"]
    assert httpx.get(url).content.startswith(b"%PDF-"), "what is no JSON stays as it is"


def test_a_connection_closes_after_a_response_without_notice(sandbox_url: str, api: Api) -> None:
    set_faults(api, path="/v1/deliverable", do="close")
    host, _, port = sandbox_url.removeprefix("http://").partition(":")
    authorization = f"Authorization: {api.headers['authorization']}"
    head = f"GET /v1/deliverable HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"{head}x-rapiddocx-org-id: {ORG_ID}\r\n\r\n".encode())
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" not in said.lower()


def test_downloads_can_be_cut_flipped_dripped_and_endless(api: Api) -> None:
    document = api.dispatch()["documentId"]
    api.complete(document)
    url = api.get(f"/turbosign/documents/{document}/download").json()["downloadUrl"]
    good = httpx.get(url).content
    set_faults(api, path="/_sandbox/storage/*", do="corrupt", at="after")
    assert httpx.get(url).content != good
    set_faults(api, path="/_sandbox/storage/*", do="truncate", at="after")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url)
    set_faults(api, path="/_sandbox/storage/*", do="endless", at="after", size=2**20)
    endless = httpx.get(url).content
    assert endless.startswith(good)
    assert len(endless) == len(good) + 2**20
    set_faults(api, path="/_sandbox/storage/*", do="drip", at="after", seconds=0.2)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(url, timeout=0.1)


def test_rules_count_skip_and_follow_a_schedule(api: Api) -> None:
    set_faults(api, path="/v1/deliverable", method="GET", do="status", status=500, skip=1, times=2)
    assert [api.get("/v1/deliverable").status_code for _ in range(4)] == [200, 500, 500, 200]
    assert api.get("/_sandbox/faults").json()["api"][0]["hits"] == 2
    set_faults(api, path="/v1/deliverable", do="status", times=None, after_seconds=0.3, for_seconds=0.3)
    assert api.get("/v1/deliverable").status_code == 200
    poll(lambda: api.get("/v1/deliverable").status_code == 500)
    poll(lambda: api.get("/v1/deliverable").status_code == 200)


def test_random_faults_repeat_with_their_seed(api: Api) -> None:
    def outcomes() -> list[object]:
        api.put("/_sandbox/faults", json={"seed": 11, "random": {"api": 0.5, "webhooks": 0}})
        return [_outcome(api) for _ in range(20)]

    first = outcomes()
    assert len(set(map(str, first))) > 2
    assert outcomes() == first


def _outcome(api: Api) -> object:
    try:
        return api.get("/template-item").status_code
    except httpx.HTTPError as error:
        return type(error).__name__


def test_control_is_spared_and_bad_scripts_are_refused(api: Api) -> None:
    set_faults(api, path="*", do="status", times=None)
    assert api.get("/_sandbox/ledger").status_code == 200
    assert api.delete("/_sandbox/faults").status_code == 200
    assert api.get("/v1/deliverable").status_code == 200
    for script in ({"api": [{"do": "explode"}]}, {"api": [{"do": "drop", "times": 0}]}, {"what": 1}):
        answer = api.put("/_sandbox/faults", json=script)
        assert answer.status_code == 400
        assert answer.json()["type"] == "ValidationError"


@pytest.mark.parametrize(
    ("fault", "authentic"),
    [
        ({"do": "wrong_signature"}, False),
        ({"do": "tamper"}, False),
        ({"do": "old_secret"}, False),
        ({"do": "rotate_secret"}, False),
        ({"do": "stale_timestamp", "seconds": -600}, True),
    ],
    ids=lambda value: value["do"] if isinstance(value, dict) else "",
)
def test_deliveries_that_a_receiver_must_refuse(
    api: Api, receiver: Receiver, fault: dict[str, Any], *, authentic: bool
) -> None:
    secret = api.subscribe(receiver.url)
    set_faults(api, webhooks=[fault])
    api.dispatch()
    [delivery] = receiver.wait(1)
    assert delivery.signed_by(secret) is authentic
    if fault["do"] == "stale_timestamp":
        assert time.time() - int(delivery.headers["x-turbodocx-timestamp"]) > 590


def test_dropped_failed_and_duplicated_deliveries(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    rules: list[dict[str, Any]] = [
        {"event": "sent", "do": "drop"},
        {"event": "viewed", "do": "fail"},
        {"event": "recipient_signed", "do": "duplicate", "copies": 2},
    ]
    set_faults(api, webhooks=rules)
    api.complete(api.dispatch(signers=1)["documentId"])
    deliveries = receiver.wait(5)
    assert sorted(receiver.events()) == ["completed", *["recipient_signed"] * 3, "viewed"]
    assert len({json.loads(delivery.raw)["event_id"] for delivery in deliveries}) == 3
    assert poll(lambda: _delivery(api, "viewed")["isDelivered"])
    assert _delivery(api, "viewed")["attemptCount"] == 2
    dropped = _delivery(api, "sent")
    assert (dropped["status"], dropped["attemptCount"]) == ("failed", 1)


def _delivery(api: Api, event: str) -> dict[str, Any]:
    params = {"eventType": f"signature.document.{event}"}
    log = api.get("/api/webhooks/signature/deliveries", params=params).json()["data"]["results"]
    delivery: dict[str, Any] = log[0]
    return delivery


def test_reordered_deliveries_are_overtaken(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    set_faults(api, webhooks=[{"event": "sent", "do": "reorder", "seconds": 3600}])
    api.complete(api.dispatch(signers=1)["documentId"])
    receiver.wait(3)
    api.post("/_sandbox/clock", json={"days": 1}).raise_for_status()
    receiver.wait(4)
    assert receiver.events() == ["viewed", "recipient_signed", "completed", "sent"]


def test_sent_can_arrive_before_the_reply(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    set_faults(api, webhooks=[{"event": "sent", "do": "before_reply"}])
    document = api.dispatch()["documentId"]
    assert [delivery.data["document_id"] for delivery in receiver.deliveries] == [document]
