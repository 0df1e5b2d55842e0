"""What an operator sees in Temporal's own web UI. `make screenshots` keeps the pictures for the docs."""

import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import FrameLocator, Page, expect

from commands.reuse import StartedAgreement
from tests.ui.conftest import Shown

pytestmark = pytest.mark.heavy

PATIENCE = 60_000
COLUMNS = ["Status", "Workflow ID", "AgreementStage", "WaitingFor", "NeedsAttention", "AgreementDeadline"]


async def card(page: Page, shown: Shown, started: StartedAgreement) -> FrameLocator:
    """Open an agreement's card; the UI renders its Markdown in a frame of its own."""
    await page.goto(shown.url(started, "user-metadata"))
    frame = page.frame_locator("iframe").last
    await expect(frame.locator("h2")).to_be_visible(timeout=PATIENCE)
    return frame


async def keep(page: Page, name: str) -> None:
    """Keep a picture, where `make screenshots` wants it."""
    if folder := os.environ.get("COUNTERSIGN_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def test_a_waiting_agreement_tells_who_signed_and_what_comes_next(page: Page, shown: Shown) -> None:
    frame = await card(page, shown, shown.waiting)
    await expect(frame.locator("h2")).to_have_text("Awaiting signatures")
    await expect(frame.locator("h3").first).to_have_text("Signed by 1 of 2")
    items = frame.locator("li")
    await expect(items.filter(has_text="✓ Ada Example, signed 20")).to_have_count(1)
    for fact in ("Next look at the provider: 20", "Next reminder: 20", "Deadline: 20"):
        await expect(items.filter(has_text=fact)).to_have_count(1)
    await keep(page, "waiting")


async def test_an_agreement_that_needs_attention_says_what_to_press(page: Page, shown: Shown) -> None:
    frame = await card(page, shown, shown.attention)
    await expect(frame.get_by_text("It is not known whether the document was sent")).to_be_visible()
    for choice in ("--adopt DOCUMENT", "--send-again", "--abandon"):
        command = f"python starter.py resolve order-1001 {choice}"
        await expect(frame.locator("code").filter(has_text=command)).to_have_count(1)
    await expect(
        frame.get_by_text("outcome of sending unknown: prepare_for_signing: HTTP 502")
    ).to_be_visible()
    await keep(page, "needs-attention")


async def test_a_completed_agreement_leads_to_its_archive(page: Page, shown: Shown) -> None:
    frame = await card(page, shown, shown.completed)
    await expect(frame.locator("h2")).to_have_text("Completed")
    archive = frame.locator("li").filter(has_text="Archive:")
    await expect(archive).to_contain_text(str(shown.stack.store))
    await expect(archive).to_contain_text("signed.pdf")
    await keep(page, "completed")


async def test_the_timeline_names_each_step(page: Page, shown: Shown) -> None:
    await page.goto(shown.url(shown.completed, "timeline"))
    for step in ("claim order-1003", "generate the document", "send to 2 signers, once"):
        await expect(page.get_by_text(step).first).to_be_attached(timeout=PATIENCE)
    await page.get_by_text("generate the document").first.scroll_into_view_if_needed()
    await keep(page, "timeline")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("NeedsAttention = true", "agreement-order-1001"),
        ("WaitingFor = 'signatures'", "agreement-order-1002"),
        ("AgreementStage = 'completed'", "agreement-order-1003"),
    ],
)
async def test_a_filter_finds_what_it_is_for(page: Page, shown: Shown, query: str, found: str) -> None:
    await page.goto(f"{shown.stack.ui_url}/namespaces/default/workflows?query={quote(query)}")
    links = page.get_by_role("link", name="agreement-order-")
    await expect(links).to_have_text([found], timeout=PATIENCE)


async def test_search_attributes_stand_beside_each_agreement(page: Page, shown: Shown) -> None:
    columns = json.dumps({"default": [{"label": label} for label in COLUMNS]})
    await page.add_init_script(f"localStorage.setItem('namespace-workflow-table-columns', {columns!r})")
    await page.goto(f"{shown.stack.ui_url}/namespaces/default/workflows")
    row = page.get_by_role("row").filter(has_text="agreement-order-1001")
    await expect(row).to_contain_text("operator", timeout=PATIENCE)
    await expect(row).to_contain_text("true")
    await keep(page, "agreements")


async def test_what_can_be_asked_and_told_is_described(page: Page, shown: Shown) -> None:
    await page.goto(shown.url(shown.waiting, "query"))
    await expect(page.get_by_text("Where the agreement is, what it waits for").first).to_be_attached(
        timeout=PATIENCE
    )
