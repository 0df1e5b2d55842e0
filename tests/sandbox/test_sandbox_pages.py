"""Test the inbox and the signing pages, most of it in a real browser."""

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fpdf import FPDF
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    FloatRect,
    Locator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from pypdf import PdfReader, PdfWriter

from tests.conftest import tool
from tests.sandbox.sandbox_kit import Api, Receiver, signature, text_of

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 800}
SIGNER, OTHER = "signer1@example.com", "signer2@example.com"
PAGES = ((612, 792), (842, 595), (792, 612))
"""Sizes as displayed, in points: upright, landscape, and upright but turned by 90 degrees."""


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
    """Return whether a request leaves this machine; other schemes are internal to the browser."""
    return url.startswith("http") and not url.startswith("http://127.0.0.1:")


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def three_pages() -> bytes:
    pdf = FPDF(unit="pt")
    pdf.set_font("helvetica", "", 14)
    for size, text in (
        ((612, 792), "Signed here: {signature1}"),
        ((842, 595), "Signed there: {signature2}"),
        ((612, 792), "Initials of the first signer: {initial1}"),
    ):
        pdf.add_page(format=size)
        pdf.text(72, 100, text)
        pdf.text(72, 200, "Words that stay.")
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(bytes(pdf.output()))))
    writer.pages[2].rotate(90)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def dispatch_three_pages(api: Api) -> dict[str, Any]:
    """Send a document of three pages to two signers who sign at the same time; returns it with its link."""
    people = [
        {"name": "A", "email": SIGNER, "signingOrder": 1},
        {"name": "B", "email": OTHER, "signingOrder": 1},
    ]
    fields = [
        signature(SIGNER, "{signature1}"),
        signature(OTHER, "{signature2}"),
        signature(SIGNER, "{initial1}") | {"type": "initial"},
        {
            "type": "text",
            "recipientEmail": SIGNER,
            "page": 2,
            "x": 421,
            "y": 476,
            "width": 84.2,
            "height": 59.5,
        },
    ]
    changes: dict[str, Any] = {
        "recipients": json.dumps(people),
        "fields": json.dumps(fields),
        "templateId": None,
    }
    files = {"file": ("contract.pdf", three_pages(), "application/pdf")}
    answer = api.post("/turbosign/single/prepare-for-signing", data=api.body(**changes), files=files)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = api.get(f"/_sandbox/documents/{answer.json()['documentId']}").json()
    emails = api.get("/_sandbox/emails", params={"to": SIGNER}).json()["emails"]
    return document | {"link": emails[0]["link"]}


def box_of(locator: Locator) -> FloatRect:
    box = locator.bounding_box()
    assert box is not None, "it is not displayed"
    return box


@pytest.mark.heavy
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_is_shown_whole_with_the_signers_fields(
    api: Api, browser: Browser, viewport: ViewportSize
) -> None:
    document = dispatch_three_pages(api)
    page = browser.new_page(viewport=viewport)
    page.goto(document["link"])
    pictures = page.locator(".page img")
    expect(pictures).to_have_count(len(PAGES))
    for number, (width, height) in enumerate(PAGES):
        picture = pictures.nth(number)
        picture.scroll_into_view_if_needed()
        page.wait_for_function("image => image.complete", arg=picture.element_handle())
        natural = picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
        shown = box_of(picture)
        assert natural[0] / natural[1] == pytest.approx(width / height, rel=0.01)
        assert natural[0] >= shown["width"], "the picture is blurred"
        assert shown["width"] / shown["height"] == pytest.approx(width / height, rel=0.01)
        assert shown["width"] >= 0.85 * min(viewport["width"], 800), "the picture is small"
        assert shown["x"] >= 0
        assert shown["x"] + shown["width"] <= viewport["width"], "the picture is cut off"
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    expect(page.locator(".slot")).to_have_count(3)
    for number, field in enumerate(document["fields"]):
        if field["recipientEmail"] == SIGNER:
            _is_marked(page, number, field)
    page.close()


def _is_marked(page: Page, number: int, field: dict[str, Any]) -> None:
    page_number, x, y, width, height = field["box"]
    page_width, page_height = PAGES[page_number - 1]
    mark = page.locator(f'.slot[href="#field-{number}"]')
    mark.scroll_into_view_if_needed()
    expect(mark).to_be_visible()
    picture, marked = box_of(page.locator(".page img").nth(page_number - 1)), box_of(mark)
    scale = picture["width"] / page_width
    assert picture["height"] / page_height == pytest.approx(scale, rel=0.01)
    assert marked["x"] - picture["x"] == pytest.approx(x * scale, abs=2)
    assert marked["y"] - picture["y"] == pytest.approx(y * scale, abs=2)
    assert marked["width"] == pytest.approx(width * scale, abs=2)
    assert marked["height"] == pytest.approx(height * scale, abs=2)
    mark.click()
    assert page.evaluate("location.hash") == f"#field-{number}"


@pytest.mark.parametrize("signed", [False, True])
def test_anchors_of_all_signers_are_replaced(api: Api, *, signed: bool) -> None:
    document = dispatch_three_pages(api)
    anchored = document["fields"][:3]
    if signed:
        signer = next(person["id"] for person in document["recipients"] if person["email"] == OTHER)
        api.post(f"/_sandbox/documents/{document['id']}/recipients/{signer}/sign").raise_for_status()
    for field in anchored:
        number, x, y, width, height = field["box"]
        answer = api.get(f"{document['link']}/page-{number}.png")
        picture = Image.open(io.BytesIO(answer.content)).convert("L")
        scale = picture.width / PAGES[number - 1][0]
        left, top, right, bottom = (round(side * scale) for side in (x, y, x + width, y + height))
        is_signed = signed and field["recipientEmail"] == OTHER
        assert is_empty(picture.crop((left, top, right, bottom))) != is_signed
        assert not is_empty(picture)


def is_empty(picture: Image.Image) -> bool:
    return not any(picture.histogram()[:200])


def test_a_page_that_does_not_exist_has_no_picture(api: Api) -> None:
    link = dispatch_three_pages(api)["link"]
    assert [api.get(f"{link}/page-{number}.png").status_code for number in (0, 1, 3, 4)] == [
        404,
        200,
        200,
        404,
    ]


def test_a_huge_page_has_a_picture_of_limited_size(api: Api) -> None:
    pdf = FPDF(unit="pt")
    pdf.add_page(format=(14400, 7200))
    field = {
        "type": "signature",
        "recipientEmail": SIGNER,
        "page": 1,
        "x": 0,
        "y": 0,
        "width": 90,
        "height": 9,
    }
    body = api.body(1, fields=json.dumps([field]), templateId=None)
    files = {"file": ("wall.pdf", bytes(pdf.output()), "application/pdf")}
    api.post("/turbosign/single/prepare-for-signing", data=body, files=files).raise_for_status()
    link = api.get("/_sandbox/emails").json()["emails"][0]["link"]
    assert Image.open(io.BytesIO(api.get(f"{link}/page-1.png").content)).size == (2000, 1000)


@pytest.mark.heavy
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_inbox_separates_what_is_signed_from_what_is_open(
    api: Api, browser: Browser, viewport: ViewportSize
) -> None:
    api.dispatch(signers=1, title="An open one with a title that does not fit into one line of a phone")
    signed = api.dispatch(signers=1, title="A signed one")["documentId"]
    api.complete(signed).raise_for_status()
    gone = api.dispatch(signers=1, title="A withdrawn one")["documentId"]
    api.post(f"/turbosign/documents/{gone}/void", json={"reason": "no"}).raise_for_status()
    page = browser.new_page(viewport=viewport)
    page.goto(str(api.base_url))
    requests = page.locator("#mails > li").filter(has_text="asks you to sign")
    actions = {
        title: requests.filter(has_text=title).locator(".state").inner_text()
        for title in ("An open one", "A signed one", "A withdrawn one")
    }
    assert {title: text.split("\n") for title, text in actions.items()} == {
        "An open one": ["Open"],
        "A signed one": ["Signed", "Signed PDF"],
        "A withdrawn one": ["Withdrawn"],
    }
    colors = [
        requests.filter(has_text=title).evaluate("item => getComputedStyle(item).borderLeftColor")
        for title in actions
    ]
    assert len(set(colors)) == 3
    link = requests.get_by_role("link", name="Signed PDF").get_attribute("href")
    assert "Signer 1" in text_of(httpx.get(str(link)).content)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    for item in page.locator("#mails > li").all():
        outer = box_of(item)
        for part in item.locator("strong, .soft, .state > *").all():
            inner = box_of(part)
            assert inner["x"] >= outer["x"]
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"], part.inner_text()
    page.close()


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
    assert shown.text.count("<form") == 1
    assert api.ledger("email_sent") == []
    document = answer.json()["documentId"]
    assert api.post(f"/_sandbox/documents/{document}/send").json()["status"] == "under_review"
    assert api.status(document) == "under_review"
    assert len(api.ledger("email_sent")) == 1
    assert api.post(f"/_sandbox/documents/{document}/send").status_code == 409
    assert "<form" not in api.get(answer.json()["previewUrl"]).text
