"""A third provider, made by following docs/how-to/add-a-provider.md, works with Countersign unchanged."""

import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import httpx
import pytest
from fpdf import FPDF
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign import testing
from countersign.agreements.messages import AgreementInput, FileSource, Outcome, Signer, VoidRequest
from countersign.configuration import load
from countersign.providers import registry
from countersign.providers.open_account import open_account
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings
from countersign.storage import FolderStore, put
from tests.webhooks.webhook_receivers import running_receiver
from worker import provider_worker, workflow_worker
from workflows.agreement import AgreementWorkflow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/in_memory_provider"
SECRET = "memory-secret-0123456789"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Install the example as pip does: its package and its entry points on the path."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0.0\n")
    ((group, entries),) = project["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {place}" for name, place in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    for folder in (EXAMPLE, metadata.parent):
        monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("COUNTERSIGN_ACCOUNTS", "memory")
    monkeypatch.setenv("MEMORY_API_KEY", "any-key-0123456789")
    for cached in (registry.plugins, registry.account):
        cached.cache_clear()
    invalidate_caches()
    yield os.pathsep.join(map(str, (EXAMPLE, metadata.parent, ROOT)))
    for cached in (registry.plugins, registry.account):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "memory_provider"]:
        del sys.modules[name]


def a_pdf() -> bytes:
    document = FPDF(format="A4")
    document.add_page()
    return bytes(document.output())


async def test_an_agreement_runs_with_a_provider_of_another_distribution(
    installed: str, client: Client, time_skipper: TimeSkipper, tmp_path: Path
) -> None:
    account = registry.accounts()["memory"]
    adapter = import_module(account.plugin.adapter)
    own = CountersignSettings(store=str(tmp_path), task_queue=uuid.uuid4().hex, graceful_stop_seconds=1)
    store = FolderStore(tmp_path)
    stored = await put(store, "files/contract.pdf", a_pdf())
    settings = Rotating(load(account.settings)[0])

    def agreement() -> AgreementInput:
        return AgreementInput(
            reference=f"m-{uuid.uuid4().hex[:10]}",
            title="Statement of Work",
            source=FileSource(key=stored.key, file_name="contract.pdf", sha256=stored.sha256),
            signers=(Signer(name="Ada Lovelace", email="ada@example.com"),),
            account="memory",
        )

    async with (
        open_account(account, settings, ProviderSettings(), slots=5) as opened,
        workflow_worker(client, store, own, {"memory": account}, sandboxed=True),
        provider_worker(client, opened, store, own, drain_seconds=0),
        running_receiver(
            client, MEMORY_WEBHOOK_SECRET=SECRET, COUNTERSIGN_ACCOUNTS="memory", PYTHONPATH=installed
        ) as receiver,
    ):
        office = testing.Office(client, time_skipper, own.task_queue, patience=60)
        first, second = await office.start(agreement()), await office.start(agreement())
        document_id = await office.sent(first)
        adapter.sign_all(document_id)
        await _deliver(receiver.url, adapter.DOCUMENTS[document_id].order.marker, document_id)
        result = await office.result(first)
        assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")
        assert result.archive is not None
        assert json.loads(await store.read(result.archive.audit_trail.key))["signed"]
        await office.sent(second)
        await second.execute_update(AgreementWorkflow.void, VoidRequest(reason="No longer needed."))
        assert (await office.result(second)).outcome is Outcome.VOIDED


async def _deliver(url: str, marker: object, document_id: str) -> None:
    body: dict[str, Any] = {
        "id": "1",
        "kind": "completed",
        "document": document_id,
        "marker": f"{marker}",
    }
    async with httpx.AsyncClient(base_url=url, trust_env=False) as caller:
        refused = await caller.post("/webhooks/memory", json=body)
        taken = await caller.post("/webhooks/memory", json=body, headers={"X-Memory-Secret": SECRET})
    assert (refused.status_code, taken.status_code) == (401, 200)


def test_the_example_is_small_and_needs_nothing_else() -> None:
    files = [path for path in EXAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(len(path.read_text().splitlines()) for path in files) < 300
    imported = {
        line.split()[1].split(".")[0]
        for path in files
        if path.suffix == ".py"
        for line in path.read_text().splitlines()
        if re.match(r"(from|import) ", line)
    }
    assert imported - set(sys.stdlib_module_names) == {"countersign", "memory_provider", "pydantic"}


def test_the_page_includes_every_file_of_the_example() -> None:
    page = (ROOT / "docs/how-to/add-a-provider.md").read_text()
    included = set(re.findall(r'^--8<-- "(.*)"$', page, re.MULTILINE))
    files = {*EXAMPLE.rglob("*.py"), EXAMPLE / "pyproject.toml"}
    assert included == {str(path.relative_to(ROOT)) for path in files}


def test_commands_name_the_provider_that_is_installed(installed: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "worker.py"), "--account", "documenso"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": installed},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--account documenso: COUNTERSIGN_ACCOUNTS names memory" in done.stderr
