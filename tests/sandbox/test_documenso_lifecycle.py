"""Test the life cycle of an envelope: draft, send, sign, reject, cancel, delete, change, expire."""

import pytest

from tests.polling import poll
from tests.sandbox.documenso_kit import SLOW_JOBS, Api, pdf, signer, text_of


def test_a_draft_notifies_no_recipient(documenso: Api) -> None:
    envelope = documenso.envelope(documenso.create(signers=2, externalId="A-1"))
    assert (envelope["status"], envelope["externalId"], envelope["title"]) == ("DRAFT", "A-1", "Contract")
    assert [person["sendStatus"] for person in envelope["recipients"]] == ["NOT_SENT", "NOT_SENT"]
    assert "fields" not in envelope["recipients"][0]
    [first, second] = envelope["fields"]
    assert first["recipientId"] == envelope["recipients"][0]["id"]
    assert (second["positionX"], second["positionY"], second["width"]) == ("10", "50", "30")
    assert documenso.ledger("email_sent") == []


def test_sending_invites_by_a_job(documenso: Api) -> None:
    documenso.behave(**SLOW_JOBS)
    envelope_id = documenso.create(signers=2)
    sent = documenso.call("distribute", envelopeId=envelope_id, meta={"subject": "Please sign"})
    assert (sent["success"], sent["id"]) == (True, envelope_id)
    assert all("/sign/" in person["signingUrl"] for person in sent["recipients"])
    envelope = documenso.envelope(envelope_id)
    assert envelope["status"] == "PENDING"
    assert envelope["documentMeta"]["subject"] == "Please sign"
    assert {person["sendStatus"] for person in envelope["recipients"]} == {"NOT_SENT"}
    documenso.post("/_sandbox/clock", json={"hours": 2}).raise_for_status()
    envelope = documenso.envelope(envelope_id)
    assert {person["sendStatus"] for person in envelope["recipients"]} == {"SENT"}
    assert len(documenso.ledger("email_sent")) == 2


def test_a_sequence_invites_one_after_the_other(documenso: Api) -> None:
    envelope_id = documenso.dispatch(signers=2, meta={"signingOrder": "SEQUENTIAL"})
    documenso.wait(envelope_id, lambda it: it["recipients"][0]["sendStatus"] == "SENT")
    assert documenso.envelope(envelope_id)["recipients"][1]["sendStatus"] == "NOT_SENT"
    refused = documenso.act(envelope_id, "sign", 2)
    assert refused.json()["data"]["code"] == "NOT_RECIPIENTS_TURN"
    documenso.act(envelope_id, "sign", 1).raise_for_status()
    documenso.wait(envelope_id, lambda it: it["recipients"][1]["sendStatus"] == "SENT")
    documenso.act(envelope_id, "sign", 2).raise_for_status()
    assert documenso.ended(envelope_id)["status"] == "COMPLETED"


def test_signed_by_all_is_pending_until_it_is_sealed(documenso: Api) -> None:
    documenso.behave(seal_delay=3600)
    envelope_id = documenso.dispatch(signers=2)
    documenso.complete(envelope_id)
    envelope = documenso.envelope(envelope_id)
    assert {person["signingStatus"] for person in envelope["recipients"]} == {"SIGNED"}
    assert (envelope["status"], envelope["completedAt"]) == ("PENDING", None)
    documenso.post("/_sandbox/clock", json={"hours": 2}).raise_for_status()
    envelope = documenso.envelope(envelope_id)
    assert envelope["status"] == "COMPLETED"
    [item] = envelope["envelopeItems"]
    signed = documenso.get(f"/api/v2/envelope/item/{item['id']}/download")
    assert signed.headers["content-type"] == "application/pdf"
    assert "Signer 2" in text_of(signed.content)


def test_a_stuck_sealing_job_is_released_by_hand(documenso: Api) -> None:
    envelope_id = documenso.dispatch()
    documenso.complete(envelope_id, finalization="fails")
    assert documenso.envelope(envelope_id)["status"] == "PENDING"
    released = documenso.post(f"/_sandbox/documents/{envelope_id}/finalize", json={})
    assert (released.json()["status"], released.json()["state"]) == ("COMPLETED", "completed")


def test_a_refusal_ends_it_after_the_sealing_job(documenso: Api) -> None:
    documenso.behave(seal_delay=3600)
    envelope_id = documenso.dispatch(signers=2)
    documenso.act(envelope_id, "decline", 2, reason="Too expensive").raise_for_status()
    assert documenso.envelope(envelope_id)["status"] == "PENDING"
    documenso.post("/_sandbox/clock", json={"hours": 2}).raise_for_status()
    envelope = documenso.envelope(envelope_id)
    assert (envelope["status"], envelope["completedAt"] is None) == ("REJECTED", False)
    assert envelope["recipients"][1]["rejectionReason"] == "Too expensive"
    assert documenso.act(envelope_id, "sign").json()["data"]["code"] == "ENVELOPE_REJECTED"
    assert documenso.get(f"/api/v2/envelope/{envelope_id}/certificate/download").status_code == 200


def test_a_refusal_on_behalf_of_a_recipient(documenso: Api) -> None:
    envelope_id = documenso.dispatch()
    person = documenso.envelope(envelope_id)["recipients"][0]["id"]
    refused = documenso.call(f"recipient/{person}.0/reject", envelopeId=envelope_id, reason="By phone")
    assert (refused["signingStatus"], len(refused["fields"])) == ("REJECTED", 1)
    assert documenso.ended(envelope_id)["status"] == "REJECTED"
    again = documenso.post(
        f"/api/v2/envelope/recipient/{person}/reject", json={"envelopeId": envelope_id, "reason": "x"}
    )
    assert (again.status_code, again.json()["data"]["code"]) == (400, "INVALID_REQUEST")


def test_cancelling_works_once_and_only_while_pending(documenso: Api) -> None:
    envelope_id = documenso.create()
    body = {"envelopeId": envelope_id, "reason": "Changed our minds"}
    codes = []
    for step in ("draft", "pending", "cancelled"):
        if step == "pending":
            documenso.call("distribute", envelopeId=envelope_id)
            documenso.wait(envelope_id, lambda it: it["recipients"][0]["sendStatus"] == "SENT")
        answer = documenso.post("/api/v2/envelope/cancel", json=body)
        codes.append((answer.status_code, answer.json().get("data", {}).get("code")))
    assert codes == [(400, "INVALID_REQUEST"), (200, None), (400, "INVALID_REQUEST")]
    envelope = documenso.envelope(envelope_id)
    assert (envelope["status"], envelope["completedAt"] is None) == ("CANCELLED", False)
    mails = documenso.get("/_sandbox/emails", params={"document": envelope_id}).json()["emails"]
    assert [mail["kind"] for mail in mails] == ["voided_notice", "signature_request"]


def test_deleting_removes_open_envelopes_and_hides_ended_ones(documenso: Api) -> None:
    draft, pending, ended = documenso.create(), documenso.dispatch(), documenso.dispatch()
    documenso.complete(ended)
    documenso.ended(ended)
    for envelope_id in (draft, pending, ended):
        documenso.call("delete", envelopeId=envelope_id)
    assert [documenso.get(f"/api/v2/envelope/{it}").status_code for it in (draft, pending, ended)] == [
        404,
        404,
        200,
    ]
    assert documenso.envelope(ended)["deletedAt"] is not None
    assert documenso.find() == []
    assert documenso.post("/api/v2/envelope/delete", json={"envelopeId": draft}).status_code == 404


def test_reminding_skips_the_signed_and_renews_the_time(documenso: Api) -> None:
    period = {"unit": "day", "amount": 2}
    envelope_id = documenso.dispatch(signers=2, meta={"envelopeExpirationPeriod": period})
    documenso.act(envelope_id, "sign", 1).raise_for_status()
    people = documenso.envelope(envelope_id)["recipients"]
    documenso.post("/_sandbox/clock", json={"days": 3}).raise_for_status()
    assert documenso.act(envelope_id, "sign", 2).json()["data"]["code"] == "RECIPIENT_EXPIRED"
    shown = documenso.get(f"/_sandbox/documents/{envelope_id}").json()
    assert (shown["status"], shown["state"]) == ("PENDING", "expired")
    assert [row["id"] for row in documenso.find(hasExpiredRecipients="true")] == [envelope_id]
    ids = [person["id"] for person in people]
    documenso.call("redistribute", envelopeId=envelope_id, recipients=ids)
    now = documenso.envelope(envelope_id)["recipients"]
    assert now[0]["expiresAt"] == people[0]["expiresAt"]
    assert now[1]["expiresAt"] > people[1]["expiresAt"]
    poll(lambda: [mail for mail in documenso.ledger("email_sent") if mail["details"]["email"] == "reminder"])
    assert [entry["details"]["recipient_id"] for entry in documenso.ledger("reminder_sent")] == [ids[1]]
    documenso.act(envelope_id, "sign", 2).raise_for_status()


def test_without_mail_the_first_opening_sets_the_send_status(documenso: Api) -> None:
    envelope_id = documenso.dispatch(meta={"distributionMethod": "NONE"})
    person = documenso.envelope(envelope_id)["recipients"][0]
    documenso.call("redistribute", envelopeId=envelope_id, recipients=[person["id"]])
    documenso.post("/_sandbox/clock", json={"hours": 1}).raise_for_status()
    assert documenso.envelope(envelope_id)["recipients"][0]["sendStatus"] == "NOT_SENT"
    documenso.act(envelope_id, "view").raise_for_status()
    opened = documenso.envelope(envelope_id)["recipients"][0]
    assert (opened["sendStatus"], opened["readStatus"]) == ("SENT", "OPENED")
    assert documenso.ledger("email_sent") == []


def test_lost_invitations_leave_no_trace(documenso: Api) -> None:
    documenso.behave(mails_lost=True)
    envelope_id = documenso.dispatch()
    documenso.post("/_sandbox/clock", json={"hours": 1}).raise_for_status()
    assert documenso.envelope(envelope_id)["recipients"][0]["sendStatus"] == "NOT_SENT"
    documenso.behave(mails_lost=False)
    person = documenso.envelope(envelope_id)["recipients"][0]["id"]
    documenso.call("redistribute", envelopeId=envelope_id, recipients=[person])
    documenso.wait(envelope_id, lambda it: it["recipients"][0]["sendStatus"] == "SENT")


def test_a_changed_recipient_keeps_the_link_and_a_new_one_gets_another(documenso: Api) -> None:
    envelope_id = documenso.dispatch()
    before = documenso.wait(envelope_id, lambda it: it["recipients"][0]["sendStatus"] == "SENT")[
        "recipients"
    ][0]
    data = [{"id": before["id"], "email": "New@Example.com"}]
    [changed] = documenso.call("recipient/update-many", envelopeId=envelope_id, data=data)["data"]
    assert (changed["token"], changed["email"], changed["sendStatus"]) == (
        before["token"],
        "new@example.com",
        "NOT_SENT",
    )
    documenso.call("recipient/delete", recipientId=before["id"])
    assert documenso.get(f"/_sandbox/sign/{before['token']}").status_code == 404
    person = {key: value for key, value in signer(2).items() if key != "fields"}
    [new] = documenso.call("recipient/create-many", envelopeId=envelope_id, data=[person])["data"]
    assert new["token"] != before["token"]
    field = signer()["fields"][0] | {"recipientId": new["id"]}
    [placed] = documenso.call("field/create-many", envelopeId=envelope_id, data=[field])["data"]
    assert documenso.get(f"/api/v2/envelope/field/{placed['id']}").json() == placed
    documenso.call("redistribute", envelopeId=envelope_id, recipients=[float(new["id"])])
    documenso.wait(envelope_id, lambda it: it["recipients"][0]["sendStatus"] == "SENT")
    documenso.act(envelope_id, "sign").raise_for_status()
    for path, body in (
        ("recipient/delete", {"recipientId": new["id"]}),
        ("recipient/update-many", {"envelopeId": envelope_id, "data": [{"id": new["id"], "name": "x"}]}),
        ("field/create-many", {"envelopeId": envelope_id, "data": [field]}),
    ):
        answer = documenso.post(f"/api/v2/envelope/{path}", json=body)
        assert (answer.status_code, answer.json()["data"]["code"]) == (400, "INVALID_REQUEST"), path


def test_a_copied_recipient_is_born_signed(documenso: Api) -> None:
    copied = {"email": "cc@example.com", "name": "Copy", "role": "CC"}
    envelope_id = documenso.dispatch(recipients=[signer(), copied])
    person = documenso.envelope(envelope_id)["recipients"][1]
    assert (person["sendStatus"], person["signingStatus"]) == ("SENT", "SIGNED")
    documenso.act(envelope_id, "sign").raise_for_status()
    documenso.ended(envelope_id)
    kinds = [mail["kind"] for mail in documenso.get("/_sandbox/emails?to=cc@example.com").json()["emails"]]
    assert kinds == ["completed_copy"]


def test_a_document_without_signers_is_sealed_at_once(documenso: Api) -> None:
    copied = {"email": "cc@example.com", "name": "Copy", "role": "CC"}
    assert documenso.ended(documenso.dispatch(recipients=[copied]))["status"] == "COMPLETED"


def test_text_placeholders_become_fields(documenso: Api) -> None:
    content = pdf("Signed: {{signature, r1}}", "On {{ date , r2, required=true }}")
    people = [signer(1, fields=[]), signer(2)]
    envelope = documenso.envelope(documenso.create(("a.pdf", content, "application/pdf"), recipients=people))
    ids = [person["id"] for person in envelope["recipients"]]
    found = {(field["type"], field["recipientId"]) for field in envelope["fields"]}
    assert {("SIGNATURE", ids[0]), ("DATE", ids[1])} <= found
    text = {"type": "TEXT", "recipientId": ids[0], "placeholder": "Signed", "width": 20, "height": 4}
    [placed] = documenso.call("field/create-many", envelopeId=envelope["id"], data=[text])["data"]
    assert (placed["page"], placed["width"]) == (1, "20")


def test_several_files_are_sealed_one_by_one(documenso: Api) -> None:
    files = [(f"{name}.pdf", pdf(name), "application/pdf") for name in ("offer", "terms")]
    place = signer()["fields"][0]
    person = signer(fields=[place | {"identifier": "offer.pdf"}, place | {"identifier": 1}])
    envelope_id = documenso.create(*files, recipients=[person])
    documenso.call("distribute", envelopeId=envelope_id)
    documenso.complete(envelope_id)
    items = documenso.ended(envelope_id)["envelopeItems"]
    assert [(item["title"], item["order"]) for item in items] == [("offer.pdf", 1), ("terms.pdf", 2)]
    for item, name in zip(items, ("offer", "terms"), strict=True):
        text = text_of(documenso.get(f"/api/v2/envelope/item/{item['id']}/download").content)
        assert name in text
        assert "Signer 1" in text
    assert documenso.get(f"/_sandbox/documents/{envelope_id}/signed.pdf").status_code == 200


def test_a_document_from_a_template(documenso: Api) -> None:
    template = documenso.envelope(
        documenso.create(type="TEMPLATE", title="Lease", recipients=[signer(), signer(2)])
    )
    first, second = template["recipients"]
    payload = {
        "envelopeId": template["id"],
        "externalId": "L-1",
        "recipients": [{"id": first["id"], "email": "Ada@example.com", "name": "Ada"}],
        "distributeDocument": True,
        "override": {"title": "Lease of Ada"},
    }
    used = documenso.use(payload)
    assert used.status_code == 200, used.text
    assert [person["email"] for person in used.json()["recipients"]] == ["ada@example.com", second["email"]]
    document = documenso.envelope(used.json()["id"])
    assert (document["title"], document["status"], document["externalId"]) == (
        "Lease of Ada",
        "PENDING",
        "L-1",
    )
    assert (document["source"], len(document["fields"])) == ("TEMPLATE", 2)
    assert document["envelopeItems"][0]["title"] == "contract"
    unknown = documenso.use(payload | {"recipients": [{"id": 99999, "email": "x@example.com"}]})
    assert (unknown.status_code, unknown.json()["data"]["code"]) == (400, "INVALID_BODY")


def test_a_document_that_cannot_be_sent_was_created_all_the_same(documenso: Api) -> None:
    template = documenso.create(type="TEMPLATE", recipients=[signer(fields=[])])
    failed = documenso.use({"envelopeId": template, "externalId": "L-2", "distributeDocument": True})
    assert (failed.status_code, failed.json()["data"]["code"]) == (400, "DOCUMENT_SEND_FAILED")
    assert [row["status"] for row in documenso.find(query="L-2", type="DOCUMENT")] == ["DRAFT"]


def test_the_audit_log_and_its_pdf(documenso: Api) -> None:
    envelope_id = documenso.dispatch()
    documenso.wait(envelope_id, lambda it: it["recipients"][0]["sendStatus"] == "SENT")
    documenso.complete(envelope_id)
    documenso.ended(envelope_id)
    url = f"/api/v2/envelope/{envelope_id}/audit-log"
    page = documenso.get(url, params={"perPage": 3, "orderByDirection": "asc"}).json()
    assert page["data"][0]["type"] == "DOCUMENT_CREATED"
    assert (page["perPage"], page["currentPage"], len(page["data"])) == (3, 1, 3)
    kinds = {entry["type"] for entry in documenso.get(url, params={"perPage": 100}).json()["data"]}
    assert {"DOCUMENT_SENT", "EMAIL_SENT", "DOCUMENT_RECIPIENT_COMPLETED", "DOCUMENT_COMPLETED"} <= kinds
    assert "DOCUMENT_SENT" in text_of(documenso.get(f"{url}/download").content)
    certificate = documenso.get(f"/api/v2/envelope/{envelope_id}/certificate/download")
    assert "signer1@example.com" in text_of(certificate.content)


@pytest.mark.parametrize("prefix", ["/api/v2", "/api/v2-beta"])
def test_both_prefixes_serve_the_same(documenso: Api, prefix: str) -> None:
    envelope_id = documenso.create()
    assert documenso.get(f"{prefix}/envelope/{envelope_id}").json()["id"] == envelope_id
