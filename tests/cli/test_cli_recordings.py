"""The sessions that README and tutorial show, at a real terminal; `make recordings` draws them anew."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devstack.site import Site
from devstack.stack import Stack
from tests.cli.shell import Shell
from tests.cli.test_cli_docs import _until_waiting
from tests.recording import Recording

ROOT = Path(__file__).parents[2]
CHECKOUT = "/home/you/countersign"
UI = "http://127.0.0.1:8233"
pytestmark = pytest.mark.heavy


@pytest.fixture(autouse=True)
def _in_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_the_demo_of_the_readme(tmp_path: Path) -> None:
    recording = Recording(Shell(tmp_path))
    shown = recording.run("demo", "--free-ports", typed="make demo")
    assert "signed by Ben Example (2 of 2)" in shown
    ui = Site.of_running(tmp_path / ".countersign" / "local").ui_url
    recording.save("demo", {str(tmp_path): CHECKOUT, ui: UI})


def test_an_agreement_from_the_shell(shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")  # the shell's environment is the stack's
    contract, reference = str(ROOT / "docs" / "examples" / "contract.yaml"), "order-1001-recorded"
    recording = Recording(shell)
    typed = "countersign start docs/examples/contract.yaml --reference order-1001"
    recording.run("start", contract, "--reference", reference, typed=typed)
    document_id = asyncio.run(_until_waiting(reference))
    recording.run("status", reference, typed="countersign status order-1001")
    with ThreadPoolExecutor(1) as threads:
        watched = threads.submit(recording.run, "watch", reference, typed="countersign watch order-1001")
        asyncio.run(_sign(stack, document_id))
        assert "archived" in watched.result()
    folder = f"{CHECKOUT}/.countersign/local"
    recording.save("first-agreement", {reference: "order-1001", str(stack.folder): folder, stack.ui_url: UI})


async def _sign(stack: Stack, document_id: str) -> None:
    for recipient_id in await stack.sandbox.recipient_ids(document_id):
        await stack.sandbox.view(document_id, recipient_id)
        await asyncio.sleep(1)  # for the eye: a person reads before signing
        await stack.sandbox.sign(document_id, recipient_id)
