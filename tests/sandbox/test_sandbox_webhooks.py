"""Test webhooks: events, order, signatures, retries, log and replay."""

import json
import time
from typing import Any

import pytest

from tests.polling import poll
from tests.sandbox.sandbox_kit import EVENTS, Api, Receiver

WEBHOOK = "/api/webhooks/signature"
KEYS = {
    "sent": {"document_id", "title", "status", "sent_at"},
    "viewed": {"document_id", "title", "recipient_id", "recipient_email", "viewed_at"},
    "recipient_signed": {
        "document_id",
        "title",
        "recipient_id",
        "recipient_email",
        "recipient_name",
        "signed_at",
        "remaining_signers",
        "is_final_signer",
    },
    "signed": {"document_id", "title", "recipient_id", "recipient_email", "signed_at", "remaining_signers"},
    "completed": {"document_id", "title", "status", "status_enum", "completed_at", "document_hash"},
    "finalization_failed": {"document_id", "title", "status", "failed_at", "failure_step"},
    "voided": {
        "document_id",
        "title",
        "status",
        "status_enum",
        "voided_at",
        "void_reason",
        "document_hash",
    },
}


def log(api: Api, **params: Any) -> list[dict[str, Any]]:
    answer = api.get(f"{WEBHOOK}/deliveries", params=params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]["results"]
    return rows


def test_two_signers_emit_the_documented_events_in_order(api: Api, receiver: Receiver) -> None:
    secret = api.subscribe(receiver.url)
    document = api.dispatch(title="A title [X~y]")["documentId"]
    api.complete(document)
    deliveries = receiver.wait(7)
    first, second = ["viewed", "recipient_signed", "signed"], ["viewed", "recipient_signed", "completed"]
    assert receiver.events() == ["sent", *first, *second]
    for delivery in deliveries:
        body = json.loads(delivery.raw)
        assert set(body) == {"event", "event_id", "created_at", "version", "data"}
        assert set(delivery.data) == KEYS[delivery.event]
        assert (delivery.data["document_id"], delivery.data["title"]) == (document, "A title [X~y]")
        assert delivery.headers["x-turbodocx-event"] == body["event"]
        assert delivery.signed_by(secret)
        assert abs(time.time() - int(delivery.headers["x-turbodocx-timestamp"])) < 60
        assert delivery.raw == json.dumps(body, separators=(",", ":")).encode()
    assert len({json.loads(delivery.raw)["event_id"] for delivery in deliveries}) == 7
    final = [
        delivery.data["is_final_signer"] for delivery in deliveries if delivery.event == "recipient_signed"
    ]
    assert final == [False, True]


def test_a_single_signer_never_emits_signed(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    api.complete(api.dispatch(signers=1)["documentId"])
    receiver.wait(4)
    assert receiver.events() == ["sent", "viewed", "recipient_signed", "completed"]


def test_a_failed_finalization_is_emitted_and_can_be_repaired(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    document = api.dispatch(signers=1)["documentId"]
    api.complete(document, finalization="fails")
    [*_, failed] = receiver.wait(4)
    assert failed.event == "finalization_failed"
    assert set(failed.data) == KEYS["finalization_failed"]
    assert api.status(document) == "under_review"
    assert api.post(f"/_sandbox/documents/{document}/finalize").status_code == 200
    assert receiver.wait(5)[-1].event == "completed"
    assert api.status(document) == "completed"


def test_a_void_is_announced_with_its_reason(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    document = api.dispatch()["documentId"]
    api.post(f"/turbosign/documents/{document}/void", json={"reason": "changed"}).raise_for_status()
    voided = receiver.wait(2)[-1]
    assert set(voided.data) == KEYS["voided"]
    assert voided.data["void_reason"] == "changed"


def test_three_attempts_keep_the_ids_and_are_signed_anew(api: Api, receiver: Receiver) -> None:
    secret = api.subscribe(receiver.url)
    receiver.answers = [500, 302, 200]
    api.dispatch()
    deliveries = receiver.wait(3)
    assert all(delivery.signed_by(secret) for delivery in deliveries)
    assert len({json.loads(delivery.raw)["event_id"] for delivery in deliveries}) == 1
    assert len({delivery.headers["x-turbodocx-delivery-id"] for delivery in deliveries}) == 1
    row = poll(lambda: next((entry for entry in log(api) if entry["isDelivered"]), None))
    assert (row["attemptCount"], row["httpStatus"], row["status"]) == (3, 200, "delivered")


def test_after_three_failures_only_a_replay_helps(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    receiver.answers = [500, 500, 500]
    api.dispatch()
    row = poll(lambda: next((entry for entry in log(api) if entry["status"] == "failed"), None))
    assert (row["attemptCount"], row["maxAttempts"], row["nextRetryAt"]) == (3, 3, None)
    replayed = api.post(f"{WEBHOOK}/replay", json={"deliveryId": row["id"]}).json()["data"]
    assert (replayed["id"] != row["id"], replayed["attemptCount"]) == (True, 0)
    again = receiver.wait(4)[-1]
    assert again.headers["x-turbodocx-delivery-id"] == replayed["id"]
    assert again.raw == receiver.deliveries[0].raw


def test_a_receiver_that_cannot_be_reached(api: Api) -> None:
    api.subscribe("http://127.0.0.1:9/")
    api.dispatch()
    row = poll(lambda: next((entry for entry in log(api) if entry["status"] == "failed"), None))
    assert (row["httpStatus"], row["errorMessage"]) == (None, "ConnectError")
    stats = api.get(f"{WEBHOOK}/stats").json()["data"]
    assert stats["summary"]["failedDeliveries"] == 1
    assert api.get(WEBHOOK).json()["data"]["deliveryStats"]["totalDeliveries"] == 1


def test_filters_of_the_log_and_their_known_fault(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    receiver.answers = [500, 500, 500]
    document = api.dispatch(signers=1)["documentId"]
    poll(lambda: log(api)[0]["status"] == "failed")
    api.complete(document)
    poll(lambda: len(log(api, httpStatus=200)) == 3)
    assert [entry["eventType"].rpartition(".")[2] for entry in log(api, isDelivered="false")] == ["sent"]
    assert len(log(api, isDelivered="true")) == 3
    assert len(log(api, httpStatus=500)) == 1
    assert len(log(api, limit=2, offset=3)) == 1
    api.patch("/_sandbox/behaviour", json={"filters_work": False})
    assert [entry["status"] for entry in log(api, isDelivered="true")] == ["failed"]
    assert len(log(api, httpStatus=500)) == 4


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://example.com/hook", True),
        ("http://127.0.0.1:1/", True),
        ("http://localhost:1/", True),
        ("http://[::1]:1/", True),
        ("http://example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("ftp://127.0.0.1/", False),
        ("https://", False),
        ("nonsense", False),
        ("https://[broken/", False),
    ],
)
def test_plain_http_is_for_this_machine_only(api: Api, url: str, *, taken: bool) -> None:
    body = {"name": "n", "urls": [url], "events": ["signature.document.sent"]}
    assert api.post("/api/webhooks", json=body).status_code == (200 if taken else 400)
    api.patch("/_sandbox/behaviour", json={"http_receivers": "none"})
    body["name"] = "other"
    assert api.post("/api/webhooks", json=body).status_code == (200 if url.startswith("https://e") else 400)


def test_only_what_was_subscribed_to_and_only_while_active(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    api.patch(WEBHOOK, json={"events": ["signature.document.completed"]}).raise_for_status()
    api.complete(api.dispatch(signers=1)["documentId"])
    receiver.wait(1)
    assert receiver.events() == ["completed"]
    api.patch(WEBHOOK, json={"isActive": False}).raise_for_status()
    api.complete(api.dispatch(signers=1)["documentId"])
    assert len(log(api)) == 1
    assert api.patch(WEBHOOK, json={"urls": []}).status_code == 400


def test_a_paused_subscription_does_not_hold_its_name(api: Api, receiver: Receiver) -> None:
    first = api.subscribe(receiver.url)
    api.patch(WEBHOOK, json={"isActive": False}).raise_for_status()
    assert api.subscribe(receiver.url) != first
    assert api.get(WEBHOOK).json()["data"]["isActive"] is True


def test_administrators_only_and_refused_without_a_body(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    member = {"authorization": "Bearer TDX-test-contributor"}
    for method, path in (("GET", WEBHOOK), ("POST", "/api/webhooks"), ("POST", f"{WEBHOOK}/regenerate")):
        answer = api.request(method, path, headers=member)
        assert (answer.status_code, answer.content) == (403, b"")
        answer = api.request(method, path, headers={"authorization": "Bearer x"})
        assert (answer.status_code, answer.content) == (401, b"")


def test_a_rotated_secret_signs_at_once(api: Api, receiver: Receiver) -> None:
    old = api.subscribe(receiver.url)
    new = api.post(f"{WEBHOOK}/regenerate", headers={"content-type": "application/json"}).json()["data"][
        "secret"
    ]
    api.dispatch()
    [delivery] = receiver.wait(1)
    assert (delivery.signed_by(new), delivery.signed_by(old)) == (True, False)


def test_a_test_delivery_wraps_its_payload_or_not(api: Api, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    body = {"eventType": f"signature.document.{EVENTS[0]}", "payload": {"hello": 1}}
    api.post(f"{WEBHOOK}/test", json=body).raise_for_status()
    api.patch("/_sandbox/behaviour", json={"test_payload": "bare"})
    receiver.answers = [500]
    answer = api.post(f"{WEBHOOK}/test", json=body).json()["data"]
    assert answer["deliveries"][0]["status"] == "retrying"
    assert answer["summary"]["errors"] == ["HTTP 500"]
    wrapped, bare = (json.loads(delivery.raw) for delivery in receiver.wait(2)[:2])
    assert (wrapped["data"], bare) == ({"hello": 1}, {"hello": 1})
