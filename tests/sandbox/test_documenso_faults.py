"""Test faults of the API: before and after the commit, late, limits; and that both sandboxes share them."""

import httpx
import pytest

from tests.polling import poll
from tests.sandbox.documenso_kit import Api

CREATE, DISTRIBUTE = "/api/v2/envelope/create", "/api/v2/envelope/distribute"


def fail(api: Api, path: str, **rule: object) -> None:
    api.put("/_sandbox/faults", json={"api": [{"path": path, **rule}]}).raise_for_status()


@pytest.mark.parametrize(("at", "made"), [("before", 0), ("after", 1)])
def test_a_lost_answer_of_a_create(documenso: Api, at: str, made: int) -> None:
    fail(documenso, CREATE, do="drop", at=at)
    with pytest.raises(httpx.TransportError):
        documenso.create(externalId="A-1")
    assert len(documenso.find(query="A-1")) == made
    entries = documenso.ledger("document_created")
    assert [entry["request"]["fault"] for entry in entries] == ["drop after"] * made


@pytest.mark.parametrize(("at", "status"), [("before", "DRAFT"), ("after", "PENDING")])
@pytest.mark.parametrize("do", ["drop", "reset", "status", "empty", "truncate", "html"])
def test_a_lost_answer_of_a_send_can_be_read_back(documenso: Api, do: str, at: str, status: str) -> None:
    envelope_id = documenso.create()
    fail(documenso, DISTRIBUTE, do=do, at=at)
    try:
        documenso.post(DISTRIBUTE, json={"envelopeId": envelope_id})
    except httpx.TransportError:
        assert do in {"drop", "reset", "truncate"}
    assert documenso.envelope(envelope_id)["status"] == status


def test_a_late_commit(documenso: Api) -> None:
    envelope_id = documenso.create()
    fail(documenso, DISTRIBUTE, do="drop", at="late", commit_after=0.3)
    with pytest.raises(httpx.TransportError):
        documenso.post(DISTRIBUTE, json={"envelopeId": envelope_id})
    assert documenso.envelope(envelope_id)["status"] == "DRAFT"
    poll(lambda: documenso.envelope(envelope_id)["status"] == "PENDING")


def test_a_call_that_hangs(documenso: Api) -> None:
    fail(documenso, "*", do="hang", at="before")
    with pytest.raises(httpx.ReadTimeout):
        documenso.get("/api/v2/envelope", timeout=0.3)


def test_the_bodies_of_scripted_errors_are_documensos(documenso: Api) -> None:
    fail(documenso, "*", do="status", status=503)
    broken = documenso.get("/api/v2/envelope")
    assert (broken.status_code, broken.json()["code"]) == (503, "INTERNAL_SERVER_ERROR")
    fail(documenso, "*", do="rate_limit", retry_after=2)
    limited = documenso.get("/api/v2/envelope")
    assert (limited.headers["retry-after"], "error" in limited.json()) == ("2", True)
    fail(documenso, "*", do="rate_limit")
    quota = documenso.get("/api/v2/envelope")
    assert "retry-after" not in quota.headers
    assert quota.json()["data"]["appError"]["code"] == "TOO_MANY_REQUESTS"


def test_faults_spare_people_and_the_control_api(documenso: Api) -> None:
    envelope_id = documenso.dispatch()
    person = documenso.envelope(envelope_id)["recipients"][0]
    fail(documenso, "*", do="status", times=None)
    assert documenso.get(f"/sign/{person['token']}", follow_redirects=True).status_code == 200
    assert documenso.get("/_sandbox/inbox").status_code == 200
    documenso.complete(envelope_id)
