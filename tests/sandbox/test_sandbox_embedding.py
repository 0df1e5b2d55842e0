"""Signing pages in frames: who may show them, what they say to the page around them, and where they go."""

import json
import re
from typing import Any

import pytest

from tests.sandbox.documenso_kit import Api as Documenso
from tests.sandbox.sandbox_kit import Api

SHOP = "https://shop.example"
RETURN_URL = f"{SHOP}/thanks?order=1&a=</script>"


def signing_url(api: Api, sent: dict[str, Any], **asked: Any) -> str:
    """Make a link for the first recipient; return its path."""
    body = {"recipientId": sent["recipients"][0]["id"], **asked}
    answer = api.post(f"/turbosign/documents/{sent['documentId']}/signing-url", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["results"]["url"])


def ancestors(api: Api | Documenso, path: str) -> str:
    answer = api.get(path, follow_redirects=True)
    return str(answer.headers["content-security-policy"])


def departure(page: str) -> dict[str, Any]:
    """What a page does when its signer has finished."""
    found = re.search(r'<script id="departure" type="application/json">(.*?)</script>', page)
    assert found, page
    done: dict[str, Any] = json.loads(found[1])
    return done


def sign(api: Api | Documenso, url: str) -> dict[str, Any]:
    answer = api.post(url, data={}, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return departure(answer.text)


def test_no_page_is_shown_in_a_frame_unless_the_organization_allows_it(api: Api) -> None:
    sent = api.dispatch(signers=1)
    url = signing_url(api, sent)
    assert ancestors(api, url) == "frame-ancestors 'none'"
    allowed = [SHOP, "http://127.0.0.1:8400"]
    api.patch("/_sandbox/behaviour", json={"allowed_frame_ancestors": allowed}).raise_for_status()
    assert ancestors(api, url) == f"frame-ancestors {SHOP} http://127.0.0.1:8400"
    assert ancestors(api, "/_sandbox/inbox") == "frame-ancestors 'none'"
    settings = api.get("/turbosign/embedded-signing-settings").json()["data"]["results"]
    assert settings["allowedFrameAncestors"] == allowed


@pytest.mark.parametrize(
    "origin", ["*", "http://shop.example", "https://shop.example/path", "https://a b", "'self'"]
)
def test_only_origins_are_allowed_to_frame(api: Api, origin: str) -> None:
    answer = api.patch("/_sandbox/behaviour", json={"allowed_frame_ancestors": [origin]})
    assert answer.status_code == 400


def test_a_signer_returns_once_to_the_stored_address(api: Api) -> None:
    api.patch("/_sandbox/behaviour", json={"allowed_frame_ancestors": [SHOP]}).raise_for_status()
    sent = api.dispatch(signers=1)
    url = signing_url(api, sent, returnUrl=RETURN_URL)
    assert SHOP not in url
    done = sign(api, url)
    message = {
        "type": "turbosign:completed",
        "documentId": sent["documentId"],
        "status": "completed",
        "event": "signing_complete",
        "scope": "recipient",
    }
    assert done == {"message": message, "targets": [SHOP], "return_url": RETURN_URL}
    again = departure(api.get(url).text)
    assert again["message"] == message | {"event": "already_signed"}
    assert again["return_url"] is None


def test_a_link_without_a_return_url_clears_the_stored_one(api: Api) -> None:
    sent = api.dispatch(signers=1)
    signing_url(api, sent, returnUrl=RETURN_URL)
    assert sign(api, signing_url(api, sent))["return_url"] is None


@pytest.mark.parametrize(
    "return_url", ["http://shop.example/", "javascript:alert(1)", "//shop.example", "https://"]
)
def test_a_return_url_must_be_https(api: Api, return_url: str) -> None:
    sent = api.dispatch(signers=1)
    body = {"recipientId": sent["recipients"][0]["id"], "returnUrl": return_url}
    answer = api.post(f"/turbosign/documents/{sent['documentId']}/signing-url", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidReturnUrl")


def test_documensos_embedded_page_may_be_framed_and_its_page_may_not(documenso: Documenso) -> None:
    token = documenso.envelope(documenso.dispatch())["recipients"][0]["token"]
    assert ancestors(documenso, f"/embed/sign/{token}") == "frame-ancestors *"
    assert ancestors(documenso, f"/sign/{token}") == "frame-ancestors 'none'"
    done = sign(documenso, f"/_sandbox/embed/{token}")
    assert done["message"]["action"] == "document-completed"
    assert done["message"]["data"]["token"] == token
    assert (done["targets"], done["return_url"]) == (["*"], None)


def test_documensos_page_leads_to_the_envelopes_address(documenso: Documenso) -> None:
    envelope_id = documenso.dispatch(meta={"redirectUrl": RETURN_URL})
    token = documenso.envelope(envelope_id)["recipients"][0]["token"]
    done = sign(documenso, f"/_sandbox/sign/{token}")
    assert done == {"message": None, "targets": [], "return_url": RETURN_URL}
    assert departure(documenso.get(f"/_sandbox/sign/{token}").text)["return_url"] is None
