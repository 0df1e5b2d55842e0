"""The example in examples/embedded_signing, in a browser: start, sign in the frame, return, archived."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from cli.stack import plan
from countersign.free_ports import free_port
from countersign.loopback import LOOPBACK
from devstack.ports import Ports
from devstack.processes import Part, Supervisor, responds
from devstack.stack import Stack

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "embedded_signing"
PATIENCE = 60_000
ACCOUNTS = ("turbodocx", "documenso")


@dataclass
class Shop:
    """The example's server for an account."""

    url: str
    account: str
    stack: Stack


Open = Callable[[str], AbstractAsyncContextManager[Shop]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Open]:
    """Opens shops on one stack with both providers."""
    folder = tmp_path_factory.mktemp("shop")
    async with Stack(plan(folder, Ports.pick(), ACCOUNTS)) as stack:

        @asynccontextmanager
        async def opening(account: str) -> AsyncIterator[Shop]:
            port = free_port()
            url = f"http://{LOOPBACK}:{port}"
            env = {**stack.env, "SHOP_PORT": str(port), "SHOP_ACCOUNT": account, "PYTHONPATH": str(ROOT)}
            command = [sys.executable, str(EXAMPLE / "server.py")]
            async with Supervisor(folder) as supervisor:
                await supervisor.start(Part(f"shop-{account}", command, responds(url), env, folder))
                yield Shop(url, account, stack)

        yield opening


async def order(page: Page, shop: Shop) -> None:
    """Fill the shop's form, and wait for the contract."""
    await page.goto(shop.url)
    await page.get_by_label("Name").fill("Ada Lovelace")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_role("button", name="Sign the contract").click()
    await expect(page.get_by_role("status")).to_have_text("Please sign.", timeout=PATIENCE)


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_a_customer_signs_in_the_page_of_a_shop(open_shop: Open, page: Page, account: str) -> None:
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    async with open_shop(account) as shop:
        sandbox = shop.stack.sandboxes[account]
        if account == "turbodocx":
            await sandbox.call("PATCH", "/_sandbox/behaviour", {"allowed_frame_ancestors": [shop.url]})
        await order(page, shop)
        frame = page.frame_locator("iframe")
        await frame.get_by_label("Signature").fill("Ada")
        await frame.get_by_role("button", name="Sign", exact=True).click()
        news = page.get_by_role("status")
        await expect(news).to_contain_text("Signed and archived: ", timeout=PATIENCE)
        await expect(page.locator("iframe")).to_have_count(0)
        key = (await news.inner_text()).partition("archived: ")[2]
        assert (shop.stack.store / key).read_bytes().startswith(b"%PDF-")
        assert (f"{shop.url}/returned" in seen) is (account == "turbodocx")
        mails = (await sandbox.call("GET", "/_sandbox/emails"))["emails"]
        assert {mail["kind"] for mail in mails} <= {"completed_copy"}


async def test_a_page_that_is_not_allowed_shows_no_signing_page(open_shop: Open, page: Page) -> None:
    async with open_shop("turbodocx") as shop:
        await shop.stack.sandboxes["turbodocx"].call(
            "PATCH", "/_sandbox/behaviour", {"allowed_frame_ancestors": ["https://shop.example"]}
        )
        async with page.expect_console_message(
            lambda message: "frame-ancestors" in message.text, timeout=PATIENCE
        ):
            await order(page, shop)
        await expect(page.frame_locator("iframe").get_by_label("Signature")).to_have_count(0)


def test_the_page_stays_small() -> None:
    assert len((EXAMPLE / "page.html").read_text().splitlines()) < 150
