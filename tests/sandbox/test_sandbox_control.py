"""Test the control API that both sandboxes share: documents, people, subscriptions, deliveries."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.polling import poll
from tests.sandbox.documenso_kit import Api as DocumensoApi
from tests.sandbox.sandbox_kit import Api, Receiver


class Subject:
    """A sandbox, and how a document is sent there."""

    def __init__(self, client: httpx.Client, dispatch: Callable[[], str]) -> None:
        self.client = client
        self.dispatch = dispatch

    def get(self, path: str) -> Any:
        answer = self.client.get(f"/_sandbox/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(f"/_sandbox/{path}", json=body)


@pytest.fixture(params=["turbodocx", "documenso"])
def subject(request: pytest.FixtureRequest, api: Api, documenso: DocumensoApi) -> Subject:
    if request.param == "turbodocx":
        return Subject(api, lambda: str(api.dispatch()["documentId"]))
    return Subject(documenso, lambda: documenso.dispatch(signers=2))


def test_people_act_under_the_same_paths(subject: Subject) -> None:
    document = subject.dispatch()
    shown = subject.get(f"documents/{document}")
    assert (shown["state"], shown["name"], len(shown["recipients"])) == ("open", "Contract", 2)
    first = shown["recipients"][0]
    assert (first["email"], first["viewed_on"], first["signed_on"]) == ("signer1@example.com", None, None)
    path = f"documents/{document}/recipients/{first['id']}"
    assert subject.post(f"{path}/view").json()["recipients"][0]["viewed_on"]
    assert subject.post(f"{path}/sign").json()["recipients"][0]["signed_on"]
    subject.post(f"documents/{document}/complete").raise_for_status()
    poll(lambda: subject.get(f"documents/{document}")["state"] == "completed")
    assert [it["id"] for it in subject.get("documents?title=Contract")["documents"]] == [document]
    assert subject.client.get(f"/_sandbox/documents/{document}/signed.pdf").content.startswith(b"%PDF")
    poll(lambda: subject.get(f"emails?document={document}&to=signer1@example.com")["emails"])
    copy = subject.get(f"emails?document={document}&to=signer1@example.com")["emails"][0]
    assert (copy["document_status"], copy["recipient_status"]) == ("completed", "completed")


def test_only_documensos_signers_can_decline(subject: Subject) -> None:
    document = subject.dispatch()
    person = subject.get(f"documents/{document}")["recipients"][0]["id"]
    answer = subject.post(f"documents/{document}/recipients/{person}/decline", reason="No")
    if isinstance(subject.client, DocumensoApi):
        assert answer.status_code == 200
        poll(lambda: subject.get(f"documents/{document}")["state"] == "declined")
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "DeclineNotSupported")


def test_unknown_people_and_documents(subject: Subject) -> None:
    document, unknown = subject.dispatch(), "00000000-0000-4000-8000-000000000000"
    assert subject.client.get(f"/_sandbox/documents/{unknown}").status_code == 404
    assert subject.post(f"documents/{unknown}/complete").status_code == 404
    assert subject.post(f"documents/{document}/recipients/{unknown}/sign").status_code == 404
    assert subject.client.get("/_sandbox/sign/nothing").status_code == 404
    assert subject.client.get(f"/_sandbox/documents/{document}/signed.pdf").status_code == 404


def test_another_member_sends_by_hand(subject: Subject) -> None:
    person = {"name": "Ada", "email": "ada@example.com"}
    made = subject.post("documents", title="By hand", recipients=[person], created_on="2026-01-31T12:00:00Z")
    assert made.status_code == 200, made.text
    assert (made.json()["name"], made.json()["state"]) == ("By hand", "open")
    assert made.json()["created_on"].startswith("2026-01-31T12:00:00")


def test_subscriptions_and_the_delivery_log(subject: Subject, receiver: Receiver) -> None:
    made = subject.post("webhooks", url=receiver.url, secret="known").json()
    assert (made["urls"], made["secret"]) == ([receiver.url], "known")
    assert [it["id"] for it in subject.get("webhooks")["webhooks"]] == [made["id"]]
    document = subject.dispatch()
    receiver.wait(1)
    poll(lambda: subject.get(f"deliveries?document={document}")["deliveries"][-1]["status"] == "delivered")
    oldest = subject.get(f"deliveries?document={document}")["deliveries"][-1]
    only = subject.get(f"deliveries?event={oldest['event_type']}")["deliveries"]
    assert oldest["id"] in {it["id"] for it in only}
    before = len(receiver.deliveries)
    again = subject.post(f"deliveries/{oldest['id']}/replay").json()["id"]
    receiver.wait(before + 1)
    assert again != oldest["id"]
    assert subject.client.delete(f"/_sandbox/webhooks/{made['id']}").json() == {"deleted": True}
    assert subject.get("webhooks") == {"webhooks": []}


@pytest.mark.parametrize(
    "body", [{"url": "http://example.com"}, {"url": "https://example.com", "events": ["nothing"]}, {}]
)
def test_subscriptions_that_are_refused(subject: Subject, body: dict[str, Any]) -> None:
    assert subject.post("webhooks", **body).status_code == 400
    assert subject.post("deliveries/nothing/replay").status_code == 404


def test_a_reset_leaves_nothing(subject: Subject, receiver: Receiver) -> None:
    subject.dispatch()
    subject.post("webhooks", url=receiver.url).raise_for_status()
    subject.post("clock", days=1).raise_for_status()
    subject.post("reset").raise_for_status()
    assert subject.get("documents")["documents"] == subject.get("emails")["emails"] == []
    assert subject.get("webhooks")["webhooks"] == subject.get("deliveries")["deliveries"] == []
    assert subject.get("clock")["advanced_seconds"] == 0
