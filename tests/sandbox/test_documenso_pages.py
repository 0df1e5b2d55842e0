"""Test the pages of the Documenso sandbox: inbox, signing, declining."""

from tests.polling import poll
from tests.sandbox.documenso_kit import Api, pdf, signer


def links(documenso: Api, envelope_id: str) -> list[str]:
    poll(lambda: documenso.get(f"/_sandbox/emails?document={envelope_id}").json()["emails"])
    emails = documenso.get(f"/_sandbox/emails?document={envelope_id}").json()["emails"]
    return [email["link"] for email in reversed(emails)]


def test_signing_through_the_page(documenso: Api) -> None:
    place = signer()["fields"][0]
    texts = [place, place | {"type": "TEXT", "fieldMeta": {"type": "text", "label": "City"}}]
    envelope_id = documenso.dispatch(recipients=[signer(fields=[*texts, place | {"type": "CHECKBOX"}])])
    envelope = documenso.envelope(envelope_id)
    token, fields = envelope["recipients"][0]["token"], envelope["fields"]
    page = documenso.get(f"/sign/{token}", follow_redirects=True).text
    assert all(text in page for text in ("Contract", "The Sender", "Signer 1", "City", "Decline to sign"))
    assert documenso.envelope(envelope_id)["recipients"][0]["readStatus"] == "OPENED"
    entered = {f"field-{fields[1]['id']}": "Paris", f"field-{fields[2]['id']}": "true"}
    done = documenso.post(f"/_sandbox/sign/{token}", data=entered, follow_redirects=True)
    assert "You have signed" in done.text or "All signed" in done.text
    values = [field["customText"] for field in documenso.ended(envelope_id)["fields"]]
    assert values == ["Signer 1", "Paris", "X"]
    assert "All signed" in documenso.get(f"/_sandbox/sign/{token}/done").text
    assert "Signed PDF" in documenso.get("/_sandbox/inbox").text


def test_declining_through_the_page(documenso: Api) -> None:
    envelope_id = documenso.dispatch()
    [link] = links(documenso, envelope_id)
    done = documenso.post(f"{link}/decline", data={"reason": "Too long"}, follow_redirects=True)
    assert "You have declined" in done.text
    envelope = documenso.ended(envelope_id)
    assert (envelope["status"], envelope["recipients"][0]["rejectionReason"]) == ("REJECTED", "Too long")
    assert "Declined" in documenso.get("/_sandbox/inbox").text
    assert "You have declined" in documenso.get(link, follow_redirects=True).text


def test_links_that_do_not_work_say_why(documenso: Api) -> None:
    envelope_id = documenso.dispatch(signers=2, meta={"signingOrder": "SEQUENTIAL"})
    people = documenso.envelope(envelope_id)["recipients"]
    early = documenso.get(f"/_sandbox/sign/{people[1]['token']}")
    assert (early.status_code, early.headers["x-error-code"]) == (400, "NOT_RECIPIENTS_TURN")
    documenso.call("cancel", envelopeId=envelope_id)
    assert "Withdrawn" in documenso.get(f"/_sandbox/sign/{people[0]['token']}").text
    assert documenso.get("/_sandbox/sign/nothing").status_code == 404
    assert documenso.get("/embed/sign/nothing", follow_redirects=True).status_code == 404


def test_a_page_shows_all_files(documenso: Api) -> None:
    files = [(f"{name}.pdf", pdf(name), "application/pdf") for name in ("offer", "terms")]
    place = signer()["fields"][0]
    envelope_id = documenso.create(*files, recipients=[signer(fields=[place | {"identifier": 1}])])
    documenso.call("distribute", envelopeId=envelope_id)
    link = f"/_sandbox/sign/{documenso.envelope(envelope_id)['recipients'][0]['token']}"
    assert "Page 2 of 2" in documenso.get(link).text
    assert documenso.get(f"{link}/page-2.png").headers["content-type"] == "image/png"
    assert documenso.get(f"{link}/page-3.png").status_code == 404
    assert documenso.get(f"{link}/document.pdf").content.startswith(b"%PDF")
