"""Test agreements in Temporal's web UI. `make screenshots` keeps the pictures for the docs."""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import FrameLocator, Locator, Page, expect
from temporalio.workflow import _Definition

from cli.ui import list_url
from countersign.client.agreements import agreement_status
from countersign.client.references import StartedAgreement
from tests.deploy.filters import saved_filters
from tests.ui.conftest import Shown
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.heavy

PATIENCE = 60_000
COLUMNS = ["Status", "Workflow ID", "AgreementStage", "WaitingFor", "NeedsAttention", "AgreementDeadline"]


FOUND = {
    "what needs attention": ["agreement-order-1001"],
    "who waits longest for signatures": ["agreement-order-1002"],
    "what a failing provider holds up": [],
    "sends of unknown outcome": ["agreement-order-1001"],
    "signed, and not archived yet": [],
    "deadlines that come soon": ["agreement-order-1002"],
    "what failed": [],
    "what is stuck": [],
    "the agreement of a document": ["agreement-order-1003"],
}


async def view(page: Page, shown: Shown, started: StartedAgreement) -> FrameLocator:
    """Open an agreement's details; the UI renders their Markdown in a frame."""
    await page.goto(shown.url(started, "user-metadata"))
    frame = page.frame_locator("iframe").last
    await expect(frame.locator("h2")).to_be_visible(timeout=PATIENCE)
    return frame


async def keep(page: Page, name: str) -> None:
    """Keep a picture for `make screenshots`."""
    if folder := os.environ.get("COUNTERSIGN_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def test_a_waiting_agreement_shows_signers_and_next_steps(page: Page, shown: Shown) -> None:
    frame = await view(page, shown, shown.waiting)
    await expect(frame.locator("h2")).to_have_text("Awaiting signatures")
    await expect(frame.locator("h3").first).to_have_text("Signed by 1 of 2")
    items = frame.locator("li")
    await expect(items.filter(has_text="✓ Ada Example, signed 20")).to_have_count(1)
    for fact in ("Next check with the provider: 20", "Next reminder: 20", "Deadline: 20"):
        await expect(items.filter(has_text=fact)).to_have_count(1)
    await keep(page, "waiting")


async def test_an_agreement_that_needs_attention_shows_the_commands(page: Page, shown: Shown) -> None:
    frame = await view(page, shown, shown.attention)
    await expect(frame.get_by_text("It is not known whether the document was sent")).to_be_visible()
    for choice in ("--adopt DOCUMENT", "--send-again", "--abandon"):
        command = f"countersign resolve order-1001 {choice}"
        await expect(frame.locator("code").filter(has_text=command)).to_have_count(1)
    await expect(
        frame.get_by_text("outcome of sending unknown: prepare_for_signing: HTTP 502")
    ).to_be_visible()
    await keep(page, "needs-attention")


async def test_a_completed_agreement_leads_to_its_archive(page: Page, shown: Shown) -> None:
    frame = await view(page, shown, shown.completed)
    await expect(frame.locator("h2")).to_have_text("Completed")
    archive = frame.locator("li").filter(has_text="Archive:")
    await expect(archive).to_contain_text(str(shown.stack.store))
    await expect(archive).to_contain_text("signed.pdf")
    await keep(page, "completed")


async def test_the_timeline_names_every_step(page: Page, shown: Shown) -> None:
    await page.goto(shown.url(shown.completed, "timeline"))
    for step in ("claim", "generate, send to 2 signers", "archive"):
        await expect(page.get_by_text(step).first).to_be_attached(timeout=PATIENCE)
    await page.get_by_text("generate, send").first.scroll_into_view_if_needed()
    await keep(page, "timeline")


async def test_events_of_a_waiting_agreement_have_summaries(page: Page, shown: Shown) -> None:
    await page.goto(shown.url(shown.waiting, "history"))
    for event, summary in (
        ("Workflow Execution Started", "Services Agreement"),
        ("Timer Started", "reminder"),
    ):
        row = page.get_by_role("row").filter(has_text=event).filter(has_text=summary)
        await expect(row.first, event).to_be_visible(timeout=PATIENCE)


async def test_every_saved_filter_shows_what_it_is_for(page: Page, shown: Shown) -> None:
    document = (await agreement_status(shown.completed.reference, client=shown.client)).document_id
    for name, query in saved_filters(now="2100-01-01T00:00:00Z", document=str(document)).items():
        await page.goto(f"{shown.stack.ui_url}/namespaces/default/workflows?query={quote(query)}")
        links = page.get_by_role("link", name="agreement-order-")
        await expect(links, name).to_have_text(FOUND[name], timeout=PATIENCE)
        if not FOUND[name]:
            await expect(page.get_by_text("No Workflows Found"), name).to_be_visible(timeout=PATIENCE)


async def test_a_link_of_the_command_is_saved_as_a_view(page: Page, shown: Shown) -> None:
    name, found = "what needs attention", page.get_by_role("link", name="agreement-order-")
    await page.goto(list_url(shown.stack.ui_url, "default", name, save=True))
    await expect(found).to_have_text(FOUND[name], timeout=PATIENCE)
    await page.goto(f"{shown.stack.ui_url}/namespaces/default/workflows")
    await page.get_by_role("button", name="Saved Views").locator("visible=true").first.click()
    await page.get_by_text(name).locator("visible=true").first.click(timeout=PATIENCE)
    await expect(found).to_have_text(FOUND[name], timeout=PATIENCE)


async def test_search_attributes_are_columns(page: Page, shown: Shown) -> None:
    columns = json.dumps({"default": [{"label": label} for label in COLUMNS]})
    await page.add_init_script(f"localStorage.setItem('namespace-workflow-table-columns', {columns!r})")
    await page.goto(f"{shown.stack.ui_url}/namespaces/default/workflows")
    row = page.get_by_role("row").filter(has_text="agreement-order-1001")
    await expect(row).to_contain_text("operator", timeout=PATIENCE)
    await expect(row).to_contain_text("true")
    await keep(page, "agreements")


async def test_queries_have_descriptions_and_results(page: Page, shown: Shown) -> None:
    await page.goto(shown.url(shown.waiting, "query"))
    await page.get_by_test_id("query-select-button").locator("visible=true").click()
    for name in ("status", "timeline"):
        await expect(option(page, name)).to_contain_text(described(AgreementWorkflow, name), timeout=PATIENCE)
    await option(page, "status").click()
    await page.get_by_role("button", name="Run Query").click()
    await expect(page.get_by_text('"awaiting_signatures"').first).to_be_visible(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("action", "names"),
    [("update", ["void", "remind", "resolve"]), ("signal", ["signature_event"])],
)
async def test_updates_and_signals_have_descriptions(
    page: Page, shown: Shown, action: str, names: list[str]
) -> None:
    await page.goto(shown.url(shown.waiting, "history"))
    await page.get_by_role("button", name="More Actions").locator("visible=true").click()
    await page.get_by_role("menuitem", name=re.compile(f"Send an? {action}", re.IGNORECASE)).click()
    await page.get_by_test_id(f"{action}-select-button").locator("visible=true").click()
    for name in names:
        await expect(option(page, name)).to_contain_text(described(AgreementWorkflow, name), timeout=PATIENCE)


def option(page: Page, name: str) -> Locator:
    """Return an option of a list in the UI."""
    return page.get_by_role("option").filter(has_text=re.compile(rf"^\s*{name}\b")).locator("visible=true")


def described(workflow: type, name: str) -> str:
    """Return the description of a query, an update or a signal."""
    defined = _Definition.must_from_class(workflow)
    handlers: list[Any] = [kind.get(name) for kind in (defined.queries, defined.updates, defined.signals)]
    (description,) = [handler.description for handler in handlers if handler]
    return str(description)
