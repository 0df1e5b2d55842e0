"""People in a real browser: they open the inbox, follow their link and sign, or are told why not."""

import json
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.conftest import tool
from tests.sandbox.sandbox_kit import Api, Receiver, signature, text_of

PHONE: ViewportSize = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that fails the test on a script error, or on a request to anywhere but the sandbox."""
    context = browser.new_context()
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("request", lambda request: problems.append(request.url) if leaves(request.url) else None)
    yield context
    context.close()
    assert problems == []


def leaves(url: str) -> bool:
    """Tell whether a request goes elsewhere; the browser's own PDF viewer has addresses of its own kind."""
    return url.startswith("http") and not url.startswith("http://127.0.0.1:")


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.mark.heavy
def test_two_people_sign_from_the_inbox(api: Api, page: Page, receiver: Receiver) -> None:
    api.subscribe(receiver.url)
    document = api.dispatch(title="Services Agreement")["documentId"]
    page.goto(str(api.base_url))
    expect(page.get_by_text("The Sender asks you to sign")).to_have_count(1)
    page.get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", name="Services Agreement")).to_be_visible()
    page.get_by_label("Signature").fill("Signer One")
    page.get_by_role("button", name="Sign").click()
    expect(page.get_by_role("heading", name="You have signed")).to_be_visible()
    page.get_by_role("link", name="Back to the inbox").click()
    expect(page.locator("#mails").get_by_text("Signed", exact=True)).to_have_count(1)
    page.get_by_role("link", name="Open").first.click()
    page.get_by_role("button", name="Sign").click()
    expect(page.get_by_role("heading", name="All signed")).to_be_visible()
    assert api.status(document) == "completed"
    receiver.wait(7)
    assert receiver.events()[-1] == "completed"
    link = page.get_by_role("link", name="Download").get_attribute("href")
    assert httpx.get(str(link)).content.startswith(b"%PDF")


@pytest.mark.heavy
def test_the_inbox_fills_while_it_is_open(api: Api, page: Page) -> None:
    page.goto(str(api.base_url))
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    api.dispatch(title="Later")
    expect(page.get_by_text("Later")).to_be_visible()


@pytest.mark.heavy
def test_every_kind_of_field_on_a_phone(api: Api, browser: Browser) -> None:
    who = "signer1@example.com"
    box = {"recipientEmail": who, "page": 1, "x": 300, "y": 600, "width": 120, "height": 20}
    fields = [
        signature(who, "{signature1}"),
        box | {"type": "text", "metadata": {"fieldKey": "job_title"}},
        box | {"type": "checkbox", "y": 640, "defaultValue": "true"},
        box | {"type": "company", "y": 660, "defaultValue": "Fixed Ltd", "isReadonly": True},
        box | {"type": "date", "y": 680},
    ]
    document = api.dispatch(signers=1, fields=json.dumps(fields))["documentId"]
    link = api.get("/_sandbox/emails").json()["emails"][0]["link"]
    context = browser.new_context(viewport=PHONE, has_touch=True)
    page = context.new_page()
    page.goto(link)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Sign").tap()
    expect(page.get_by_role("heading", name="All signed")).to_be_hidden()
    page.get_by_label("Job title").fill("Engineer")
    page.get_by_label("Checkbox").uncheck()
    page.get_by_role("button", name="Sign").tap()
    expect(page.get_by_role("heading", name="All signed")).to_be_visible()
    context.close()
    assert api.status(document) == "completed"


@pytest.mark.heavy
def test_a_title_is_text_and_never_markup(api: Api, page: Page) -> None:
    api.dispatch(signers=1, title="<img src=x onerror=alert(1)><script>boom()</script>")
    page.goto(str(api.base_url))
    expect(page.get_by_text("<script>boom()</script>")).to_be_visible()
    page.get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", name="<img")).to_be_visible()


def test_links_that_do_not_lead_to_a_signature(api: Api) -> None:
    sent = api.dispatch()
    first = api.get("/_sandbox/emails").json()["emails"][0]["link"]
    signer = f"/_sandbox/documents/{sent['documentId']}/recipients/{sent['recipients'][0]['id']}"
    api.post(f"{signer}/sign").raise_for_status()
    assert "You have signed" in api.get(first).text
    second = api.get("/_sandbox/emails").json()["emails"][0]["link"]
    api.post(f"/turbosign/documents/{sent['documentId']}/void", json={"reason": "no"}).raise_for_status()
    refused = api.get(second)
    assert (refused.status_code, refused.headers["x-error-code"]) == (409, "DocumentNotSignable")
    assert api.post(second, data={}).status_code == 409
    assert api.get("/_sandbox/sign/unknown").status_code == 404


def test_what_a_signer_enters_is_what_the_signed_pdf_says(api: Api) -> None:
    who = "signer1@example.com"
    text = {"type": "text", "recipientEmail": who, "page": 1, "x": 300, "y": 600, "width": 120, "height": 20}
    fields = [
        signature(who, "{signature1}"),
        text,
        text | {"y": 640, "defaultValue": "kept", "isReadonly": True},
    ]
    document = api.dispatch(signers=1, fields=json.dumps(fields))["documentId"]
    link = api.get("/_sandbox/emails").json()["emails"][0]["link"]
    form = {"field-0": "A. Signer", "field-1": "Engineer", "field-2": "changed"}
    assert api.post(link, data=form).status_code == 303
    url = api.get(f"/turbosign/documents/{document}/download").json()["downloadUrl"]
    shown = text_of(httpx.get(url).content)
    assert "A. Signer" in shown
    assert "Engineer" in shown
    assert "kept" in shown
    assert "changed" not in shown


def test_a_review_page_shows_the_document_and_asks_no_one(api: Api) -> None:
    answer = api.post("/turbosign/single/prepare-for-review", json=api.body(title="For review"))
    shown = api.get(answer.json()["previewUrl"])
    assert "For review" in shown.text
    assert "<form" not in shown.text
    assert api.ledger("email_sent") == []
