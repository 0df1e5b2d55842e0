"""Test the traps of the contract: error shapes, searches, downloads, repeats, tokens, limits."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.documenso_kit import (
    API_KEY,
    EXPIRED_KEY,
    OTHER_KEY,
    SLOW_JOBS,
    Api,
    pdf,
    signer,
    text_of,
)

pytestmark = pytest.mark.thorough

Open = Callable[..., Api]
PDF = "application/pdf"
NOWHERE = "envelope_nowhere"


def error(answer: Any) -> tuple[int, str, str]:
    """Return status, top-level code, and the code inside."""
    body = answer.json()
    return answer.status_code, body["code"], body.get("data", {}).get("code")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", (401, "INTERNAL_SERVER_ERROR", "UNAUTHORIZED")),
        ("Bearer", (401, "INTERNAL_SERVER_ERROR", "UNAUTHORIZED")),
        ("api_wrong", (401, "INTERNAL_SERVER_ERROR", "UNAUTHORIZED")),
        (EXPIRED_KEY, (400, "INTERNAL_SERVER_ERROR", "EXPIRED_CODE")),
    ],
)
def test_refused_tokens(open_documenso: Open, token: str, expected: tuple[int, str, str]) -> None:
    answer = open_documenso(token).get("/api/v2/envelope")
    assert error(answer) == expected
    assert answer.json()["data"]["httpStatus"] == 401


@pytest.mark.parametrize("token", [API_KEY, f"Bearer {API_KEY}"])
def test_both_spellings_of_a_token(documenso: Api, open_documenso: Open, token: str) -> None:
    documenso.create()
    assert len(open_documenso(token).find()) == 1


def test_a_replaced_token_is_refused_at_once(documenso: Api, open_documenso: Open) -> None:
    documenso.put("/_sandbox/access", json={"api_key": "api_new"}).raise_for_status()
    assert documenso.get("/api/v2/envelope").status_code == 401
    assert open_documenso("api_new").find() == []


def test_a_token_sees_its_team_alone(documenso: Api, open_documenso: Open) -> None:
    envelope_id, other = documenso.create(), open_documenso(OTHER_KEY)
    assert other.find() == []
    assert error(other.get(f"/api/v2/envelope/{envelope_id}"))[2] == "NOT_FOUND"
    body = {"envelopeId": envelope_id}
    assert error(other.post("/api/v2/envelope/delete", json=body))[2] == "UNAUTHORIZED"
    assert error(other.post("/api/v2/envelope/distribute", json=body))[0] == 500
    ids = {"ids": {"type": "envelopeId", "ids": [envelope_id, NOWHERE]}}
    assert other.post("/api/v2/envelope/get-many", json=ids).json() == {"data": []}
    assert [row["id"] for row in documenso.call("get-many", **ids)["data"]] == [envelope_id]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "envelope/document_1", None, (400, "INVALID_BODY")),
        ("GET", "envelope/envelope_x", None, (400, "INVALID_BODY")),
        ("GET", f"envelope/{NOWHERE}", None, (404, "NOT_FOUND")),
        ("POST", "envelope/distribute", {"envelopeId": "7"}, (400, "INVALID_BODY")),
        ("POST", "envelope/delete", {"envelopeId": "7"}, (404, "NOT_FOUND")),
        ("POST", "envelope/cancel", {"envelopeId": NOWHERE}, (404, "NOT_FOUND")),
        ("POST", "envelope/recipient/delete", {"recipientId": 7}, (404, "NOT_FOUND")),
        ("GET", "envelope/field/7", None, (404, "NOT_FOUND")),
    ],
)
def test_what_is_not_there(
    documenso: Api, method: str, path: str, body: Any, expected: tuple[int, str]
) -> None:
    status, top, code = error(documenso.request(method, f"/api/v2/{path}", json=body))
    assert (status, code) == expected
    assert top == "INTERNAL_SERVER_ERROR"


def test_validation_names_every_problem(documenso: Api) -> None:
    answer = documenso.post("/api/v2/envelope/redistribute", json={"recipients": []})
    assert (answer.status_code, answer.json()["message"]) == (400, "Input validation failed")
    assert answer.json()["code"] == "BAD_REQUEST"
    assert sorted(issue["path"] for issue in answer.json()["issues"]) == [["envelopeId"], ["recipients"]]
    broken = documenso.post("/api/v2/envelope/cancel", content=b"{")
    assert error(broken) == (400, "PARSE_ERROR", "PARSE_ERROR")
    assert documenso.get("/api/v2/nothing").json() == {"message": "Not found", "code": "NOT_FOUND"}


def test_permanent_failures_of_a_send_are_500_without_a_code(documenso: Api) -> None:
    empty, ended = documenso.create(recipients=[]), documenso.dispatch()
    documenso.complete(ended)
    documenso.ended(ended)
    for envelope_id, sentence in (
        (NOWHERE, "Document not found"),
        (empty, "Document has no recipients"),
        (ended, "Can not send completed document"),
    ):
        answer = documenso.post("/api/v2/envelope/distribute", json={"envelopeId": envelope_id})
        assert (answer.status_code, answer.json()["message"]) == (500, sentence)
        assert answer.json() == {
            "message": sentence,
            "code": "INTERNAL_SERVER_ERROR",
            "data": {"code": "INTERNAL_SERVER_ERROR", "httpStatus": 500, "path": "envelope.distribute"},
        }
    body = {"envelopeId": documenso.create(), "recipients": [1]}
    assert error(documenso.post("/api/v2/envelope/redistribute", json=body))[0] == 500


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fields": []}, "MISSING_SIGNATURE_FIELD"),
        ({"email": "", "actionAuth": ["PASSKEY"]}, "INVALID_REQUEST"),
    ],
)
def test_refused_sends_leave_a_draft(documenso: Api, change: dict[str, Any], code: str) -> None:
    envelope_id = documenso.create(recipients=[signer(**change)])
    answer = documenso.post("/api/v2/envelope/distribute", json={"envelopeId": envelope_id})
    assert error(answer) == (400, "INTERNAL_SERVER_ERROR", code)
    assert documenso.envelope(envelope_id)["status"] == "DRAFT"


def test_a_repeated_send_invites_twice_before_the_mail_job(documenso: Api) -> None:
    documenso.behave(**SLOW_JOBS)
    envelope_id = documenso.dispatch()
    documenso.call("distribute", envelopeId=envelope_id)
    documenso.post("/_sandbox/clock", json={"hours": 2}).raise_for_status()
    documenso.call("distribute", envelopeId=envelope_id)
    documenso.post("/_sandbox/clock", json={"hours": 2}).raise_for_status()
    assert len(documenso.ledger("email_sent")) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"title": ""}, "BAD_REQUEST"),
        ({"title": "x" * 256}, "BAD_REQUEST"),
        ({"type": "LETTER"}, "BAD_REQUEST"),
        ({"externalId": "x" * 256}, "BAD_REQUEST"),
        ({"recipients": [signer(email="nobody")]}, "BAD_REQUEST"),
        ({"recipients": [signer(role="BOSS")]}, "BAD_REQUEST"),
        ({"meta": {"subject": "x" * 255}}, "BAD_REQUEST"),
        ({"meta": {"envelopeExpirationPeriod": {"unit": "hour", "amount": 1}}}, "BAD_REQUEST"),
        ({"recipients": [signer(fields=[signer()["fields"][0] | {"positionX": 101}])]}, "BAD_REQUEST"),
        ({"recipients": [signer(fields=[signer()["fields"][0] | {"page": 2}])]}, "INVALID_REQUEST"),
        ({"recipients": [signer(fields=[signer()["fields"][0] | {"identifier": "b.pdf"}])]}, "NOT_FOUND"),
    ],
)
def test_invalid_creates_leave_nothing(documenso: Api, change: dict[str, Any], code: str) -> None:
    payload = {"type": "DOCUMENT", "title": "Contract", "recipients": [signer()]} | change
    answer = documenso.try_create(payload)
    assert answer.status_code in {400, 404}
    assert answer.json()["data"]["code"] == code
    assert documenso.find() == []


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (("a.pdf", b"no pdf", PDF), "INVALID_DOCUMENT_FILE"),
        (("a.pdf", pdf(), "application/octet-stream"), "UNSUPPORTED_FILE_TYPE"),
        (("a.pdf", pdf(), "text/plain"), "UNSUPPORTED_FILE_TYPE"),
    ],
)
def test_the_content_type_of_a_file_decides(documenso: Api, file: tuple[str, bytes, str], code: str) -> None:
    answer = documenso.try_create({"type": "DOCUMENT", "title": "Contract"}, file)
    assert error(answer) == (400, "INTERNAL_SERVER_ERROR", code)
    renamed = documenso.try_create({"type": "DOCUMENT", "title": "Contract"}, ("a.txt", pdf(), PDF))
    assert renamed.status_code == 200


def test_a_create_needs_a_form_with_a_payload_and_a_file(documenso: Api) -> None:
    assert documenso.post("/api/v2/envelope/create", json={"title": "x"}).status_code == 415
    parts = [("files", ("a.pdf", pdf(), PDF))]
    assert documenso.post("/api/v2/envelope/create", files=parts).json()["issues"][0]["path"] == ["payload"]
    alone = [("payload", (None, '{"type": "DOCUMENT", "title": "x"}', "application/json"))]
    assert documenso.post("/api/v2/envelope/create", files=alone).json()["issues"][0]["path"] == ["files"]


def test_a_search_matches_more_than_the_reference(documenso: Api) -> None:
    wanted = documenso.create(externalId="ORDER-1")
    documenso.create(externalId="order-12")
    documenso.create(title="Re: Order-1")
    documenso.create(recipients=[signer(email="order-1@example.com")])
    documenso.create(recipients=[signer(name="Order-1")])
    documenso.create(externalId="ORDERX1")
    found = documenso.find(query="ORDER-1", type="DOCUMENT", perPage=100)
    assert len(found) == 5
    assert [row["id"] for row in found if row["externalId"] == "ORDER-1"] == [wanted]
    assert len(documenso.find(query="order_1", perPage=100)) == 6, "_ is no wildcard"
    assert len(documenso.find(query="o%1")) == 6, "% is no wildcard"


def test_a_search_stays_in_the_root_folder(documenso: Api) -> None:
    envelope_id = documenso.create(externalId="A-1")
    moved = documenso.post(f"/_sandbox/documents/{envelope_id}/move", json={"folder": "folder-1"})
    assert moved.json()["folder_id"] == "folder-1"
    assert documenso.find(query="A-1") == []
    assert [row["id"] for row in documenso.find(query="A-1", folderId="folder-1")] == [envelope_id]
    assert documenso.envelope(envelope_id)["folderId"] == "folder-1"


def test_the_pages_of_a_search(documenso: Api) -> None:
    made = [documenso.create(title=f"Contract {number}") for number in range(11)]
    page = documenso.get("/api/v2/envelope").json()
    assert [row["id"] for row in page["data"]] == made[:0:-1]
    assert {key: page[key] for key in ("count", "currentPage", "perPage", "totalPages")} == {
        "count": 11,
        "currentPage": 1,
        "perPage": 10,
        "totalPages": 2,
    }
    assert not {"fields", "envelopeItems", "documentMeta"} & set(page["data"][0])
    second = documenso.find(page=2, perPage="5.0", orderByDirection="asc")
    assert [row["id"] for row in second] == made[5:10]
    assert documenso.get("/api/v2/envelope?perPage=101").status_code == 400
    assert documenso.find(status="PENDING") == documenso.find(type="TEMPLATE") == []


def test_a_search_hides_the_tokens_of_a_colleagues_envelopes(documenso: Api) -> None:
    documenso.create(title="Mine")
    body = {"title": "Theirs", "recipients": [{"name": "Ada", "email": "ada@example.com"}]}
    documenso.post("/_sandbox/documents", json=body).raise_for_status()
    tokens = {row["title"]: row["recipients"][0]["token"] for row in documenso.find()}
    assert tokens["Theirs"] == ""
    assert tokens["Mine"]


def test_a_signed_download_of_an_unfinished_envelope_is_the_unsigned_file(documenso: Api) -> None:
    content = pdf("Terms")
    envelope_id = documenso.create(("a.pdf", content, PDF), signers=2)
    url = f"/api/v2/envelope/item/{documenso.envelope(envelope_id)['envelopeItems'][0]['id']}/download"
    assert documenso.get(url, params={"version": "pending"}).json()["code"] == "ENVELOPE_DRAFT"
    documenso.call("distribute", envelopeId=envelope_id)
    documenso.act(envelope_id, "sign").raise_for_status()
    unsigned = documenso.get(url)
    assert (unsigned.status_code, unsigned.content) == (200, content)
    assert "Signer 1" in text_of(documenso.get(url, params={"version": "pending"}).content)
    documenso.complete(envelope_id)
    documenso.ended(envelope_id)
    assert "Signer 2" in text_of(documenso.get(url).content)
    assert documenso.get(url, params={"version": "original"}).content == content
    assert documenso.get(url, params={"version": "pending"}).json()["code"] == "ENVELOPE_COMPLETED"


def test_errors_of_downloads_have_another_shape(documenso: Api, open_documenso: Open) -> None:
    missing = documenso.get("/api/v2/envelope/item/envelope_item_x/download")
    assert (missing.status_code, missing.json()) == (404, {"error": "Envelope item not found"})
    envelope_id = documenso.dispatch()
    url = f"/api/v2/envelope/{envelope_id}/certificate/download"
    too_early = {"error": "Something went wrong", "code": "DOCUMENT_NOT_COMPLETE"}
    assert (documenso.get(url).status_code, documenso.get(url).json()) == (500, too_early)
    documenso.call("cancel", envelopeId=envelope_id)
    assert documenso.get(url).json() == too_early
    expired = open_documenso(EXPIRED_KEY).get(url)
    assert (expired.status_code, expired.json()["code"]) == (500, "EXPIRED_CODE")
    assert open_documenso("").get(url).status_code == 401


def test_limits_of_the_plan(documenso: Api) -> None:
    documenso.behave(document_limit=1, recipient_limit=1, item_limit=1)
    envelope_id = documenso.create(signers=2)
    payload = {"type": "DOCUMENT", "title": "Contract"}
    assert error(documenso.try_create(payload))[2] == "LIMIT_EXCEEDED"
    files = [(name, pdf(), PDF) for name in ("a.pdf", "b.pdf")]
    assert error(documenso.try_create(payload, *files))[2] == "ENVELOPE_ITEM_LIMIT_EXCEEDED"
    body = {"envelopeId": envelope_id}
    sent = documenso.post("/api/v2/envelope/distribute", json=body)
    assert error(sent)[2] == "RECIPIENT_LIMIT_EXCEEDED"


def test_the_rate_limit_is_in_every_reply(documenso: Api) -> None:
    documenso.behave(requests_per_minute=2)
    documenso.post("/_sandbox/reset").raise_for_status()
    documenso.behave(requests_per_minute=2)
    answers = [documenso.get("/api/v2/envelope") for _ in range(4)]
    over = next(answer for answer in answers if answer.status_code == 429)
    assert over.json() == {"error": "Too many requests, please try again later."}
    assert 1 <= int(over.headers["retry-after"]) <= 60
    first = answers[0].headers
    assert (first["x-ratelimit-limit"], first["x-ratelimit-remaining"]) == ("2", "1")
    assert int(first["x-ratelimit-reset"]) > 1_700_000_000
