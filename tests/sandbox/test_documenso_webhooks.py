"""Test the webhooks: the secret in a header, frozen payloads, fresh times, few retries, tokens inside."""

import json
from typing import Any

from tests.polling import poll
from tests.sandbox.documenso_kit import SECRET, Api
from tests.sandbox.sandbox_kit import Delivery, Receiver


def body(delivery: Delivery) -> Any:
    return json.loads(delivery.raw)


def events(receiver: Receiver) -> list[str]:
    return [body(delivery)["event"] for delivery in receiver.deliveries]


def of(receiver: Receiver, event: str) -> list[Any]:
    return [body(delivery) for delivery in list(receiver.deliveries) if body(delivery)["event"] == event]


def test_the_events_of_a_life(documenso: Api, receiver: Receiver) -> None:
    documenso.subscribe(receiver.url)
    envelope_id = documenso.dispatch(externalId="A-1")
    documenso.complete(envelope_id)
    documenso.ended(envelope_id)
    poll(lambda: len(receiver.deliveries) >= 6)
    assert sorted(events(receiver)) == [
        "DOCUMENT_COMPLETED",
        "DOCUMENT_CREATED",
        "DOCUMENT_OPENED",
        "DOCUMENT_RECIPIENT_COMPLETED",
        "DOCUMENT_SENT",
        "DOCUMENT_SIGNED",
    ]
    [completed] = of(receiver, "DOCUMENT_COMPLETED")
    payload = completed["payload"]
    assert (payload["envelopeId"], payload["externalId"]) == (envelope_id, "A-1")
    assert isinstance(payload["id"], int)
    assert (payload["status"], completed["webhookEndpoint"]) == ("COMPLETED", receiver.url)
    token = documenso.envelope(envelope_id)["recipients"][0]["token"]
    assert payload["recipients"][0]["token"] == payload["Recipient"][0]["token"] == token
    headers = receiver.deliveries[0].headers
    assert headers["x-documenso-secret"] == SECRET
    assert not [name for name in headers if "signature" in name or "timestamp" in name]


def test_a_webhook_without_a_secret_sends_an_empty_header(documenso: Api, receiver: Receiver) -> None:
    documenso.subscribe(receiver.url, "")
    documenso.create()
    [delivery] = receiver.wait(1)
    assert delivery.headers["x-documenso-secret"] == ""


def test_a_retry_has_the_frozen_payload_and_a_fresh_time(documenso: Api, receiver: Receiver) -> None:
    documenso.behave(retry_delays=[0.3, 0.3, 0.3])
    documenso.subscribe(receiver.url, events=["DOCUMENT_CREATED"])
    receiver.answers += [500, 500]
    envelope_id = documenso.create()
    documenso.call("distribute", envelopeId=envelope_id)
    attempts = [body(delivery) for delivery in receiver.wait(3)]
    assert [attempt["payload"] for attempt in attempts] == [attempts[0]["payload"]] * 3
    assert attempts[0]["payload"]["status"] == "DRAFT"
    assert len({attempt["createdAt"] for attempt in attempts}) == 3


def test_retries_end_after_four_attempts_and_a_person_can_resend(documenso: Api, receiver: Receiver) -> None:
    documenso.subscribe(receiver.url)
    receiver.answers += [500] * 4
    envelope_id = documenso.create()
    receiver.wait(4)
    query = {"document": envelope_id, "event": "DOCUMENT_CREATED"}

    def log() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = documenso.get("/_sandbox/deliveries", params=query).json()["deliveries"]
        return rows

    poll(lambda: log()[0]["status"] == "failed")
    [failed] = log()
    assert (failed["attempt_count"], failed["http_status"]) == (4, 500)
    documenso.post(f"/_sandbox/deliveries/{failed['id']}/replay").raise_for_status()
    again = receiver.wait(5)
    assert body(again[4])["payload"] == body(again[0])["payload"]


def test_the_last_signature_may_arrive_after_the_end(documenso: Api, receiver: Receiver) -> None:
    documenso.behave(signed_after_completed=True)
    documenso.subscribe(receiver.url, events=["DOCUMENT_SIGNED", "DOCUMENT_COMPLETED"])
    documenso.complete(documenso.dispatch())
    receiver.wait(2)
    log = documenso.get("/_sandbox/deliveries").json()["deliveries"]  # two posts may overtake each other
    assert [row["event_type"] for row in log] == ["DOCUMENT_SIGNED", "DOCUMENT_COMPLETED"], "newest first"


def test_a_refusal_a_cancellation_and_a_deletion(documenso: Api, receiver: Receiver) -> None:
    names = ["DOCUMENT_REJECTED", "DOCUMENT_CANCELLED", "DOCUMENT_COMPLETED"]
    documenso.subscribe(receiver.url, events=names)
    refused, canceled, deleted = documenso.dispatch(), documenso.dispatch(), documenso.dispatch()
    documenso.act(refused, "decline", reason="No").raise_for_status()
    documenso.call("cancel", envelopeId=canceled)
    documenso.call("delete", envelopeId=deleted)
    receiver.wait(3)
    [rejection] = of(receiver, "DOCUMENT_REJECTED")
    assert rejection["payload"]["recipients"][0]["rejectionReason"] == "No"
    ends = {it["payload"]["envelopeId"]: it["payload"]["status"] for it in of(receiver, "DOCUMENT_CANCELLED")}
    assert ends == {canceled: "CANCELLED", deleted: "PENDING"}


def test_expiry_is_reported_once_per_recipient(documenso: Api, receiver: Receiver) -> None:
    documenso.subscribe(receiver.url, events=["RECIPIENT_EXPIRED"])
    period = {"unit": "week", "amount": 1}
    envelope_id = documenso.dispatch(signers=2, meta={"envelopeExpirationPeriod": period})
    documenso.post("/_sandbox/clock", json={"days": 8}).raise_for_status()
    documenso.post("/_sandbox/clock", json={"days": 8}).raise_for_status()
    receiver.wait(2)
    assert documenso.envelope(envelope_id)["status"] == "PENDING"
    assert len(receiver.deliveries) == 2


def test_an_event_can_arrive_before_the_reply_of_its_call(documenso: Api, receiver: Receiver) -> None:
    documenso.subscribe(receiver.url, events=["DOCUMENT_SENT"])
    envelope_id = documenso.create()
    fault = {"event": "DOCUMENT_SENT", "do": "before_reply"}
    documenso.put("/_sandbox/faults", json={"webhooks": [fault]}).raise_for_status()
    documenso.call("distribute", envelopeId=envelope_id)
    assert events(receiver) == ["DOCUMENT_SENT"]


def test_webhook_faults(documenso: Api, receiver: Receiver) -> None:
    documenso.subscribe(receiver.url, events=["DOCUMENT_CREATED"])
    rules = [
        {"do": "duplicate", "copies": 1},
        {"do": "wrong_signature"},
        {"do": "old_secret"},
        {"do": "rotate_secret"},
        {"do": "tamper"},
        {"do": "stale_timestamp", "seconds": -900},
        {"do": "drop"},
    ]
    documenso.put("/_sandbox/faults", json={"webhooks": rules}).raise_for_status()
    for count in (2, 3, 4, 5, 6, 7):
        documenso.create()
        receiver.wait(count)
    documenso.create()
    poll(lambda: documenso.get("/_sandbox/faults").json()["webhooks"][6]["hits"])
    secrets = [delivery.headers["x-documenso-secret"] for delivery in receiver.deliveries]
    assert secrets[:4] == [SECRET, SECRET, "wrong-secret", "old-secret"]
    assert secrets[4] not in secrets[:4]
    assert receiver.deliveries[0].raw != receiver.deliveries[5].raw
    assert " event" in body(receiver.deliveries[5])


def test_subscriptions_are_made_by_a_person(documenso: Api, receiver: Receiver) -> None:
    made = documenso.post("/_sandbox/webhooks", json={"url": receiver.url}).json()
    assert made["secret"]
    assert [row["id"] for row in documenso.get("/_sandbox/webhooks").json()["webhooks"]] == [made["id"]]
    for wrong in ({"url": "http://example.com/hook"}, {"url": receiver.url, "events": ["nothing"]}):
        assert documenso.post("/_sandbox/webhooks", json=wrong).status_code == 400
    documenso.delete(f"/_sandbox/webhooks/{made['id']}").raise_for_status()
    assert documenso.get("/_sandbox/webhooks").json() == {"webhooks": []}
    assert documenso.delete("/_sandbox/webhooks/nothing").status_code == 404
    documenso.create()
    assert documenso.get("/_sandbox/deliveries").json() == {"deliveries": []}
