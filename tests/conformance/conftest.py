"""One bench per provider: its sandbox, a real receiver, and workers of the test's own."""

import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fpdf import FPDF
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper

from countersign import testing
from countersign.agreements.messages import AgreementInput, AgreementResult, FileSource, Signer
from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.agreements.reference import Marker
from countersign.free_ports import free_port
from countersign.providers.calls import Limits
from countersign.providers.circuit import CircuitRules
from countersign.providers.open_account import OpenAccount, open_account
from countersign.providers.registry import Account
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings
from countersign.settings.account import AccountSettings
from countersign.storage import FolderStore, put
from devstack.processes import Part, Supervisor, prints
from devstack.sandbox import Sandbox
from tests.conformance.subjects import SECRET, SUBJECTS, Subject
from tests.webhooks.webhook_receivers import RunningReceiver, running_receiver
from worker import provider_worker, workflow_worker

ROOT = Path(__file__).parents[2]
ADA = Signer(name="Ada Lovelace", email="ada@example.com")
GRACE = Signer(name="Grace Hopper", email="grace@example.com")
Handle = WorkflowHandle[Any, AgreementResult]

_PROVEN_ELSEWHERE = {"test_conformance_faults.py", "test_conformance_sends.py"}
_skipped: dict[str, set[str]] = {}


def lacks(subject: Subject, capability: str) -> None:
    """Skip a behavior that a provider's capabilities exclude; the list is printed at the end."""
    _skipped.setdefault(subject.kind, set()).add(capability)
    pytest.skip(f"{subject.kind} has no {capability}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as heavy what tests/workflows proves of the default provider in the gate."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        served = callspec.params.get("served") if callspec else None
        if served and served.kind == DEFAULT_ACCOUNT and item.path.name in _PROVEN_ELSEWHERE:
            item.add_marker(pytest.mark.heavy)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for kind, capabilities in sorted(_skipped.items()):
        terminalreporter.write_line(f"conformance of {kind}: no {', '.join(sorted(capabilities))}")


@dataclass(kw_only=True)
class Bench(testing.Office):
    """Agreements of one provider's account, with a worker of the test's own."""

    subject: Subject
    sandbox: Sandbox
    receiver: RunningReceiver
    store: FolderStore
    folder: Path
    source: FileSource
    opened: OpenAccount
    settings: CountersignSettings
    keys: Rotating[AccountSettings]
    key: list[AccountSettings] = field(default_factory=list)

    def agreement(self, **changes: Any) -> AgreementInput:
        """Make an agreement with two signers and a PDF."""
        given = {
            "reference": f"c-{uuid.uuid4().hex[:12]}",
            "title": "Statement of Work",
            "source": self.source,
            "signers": (ADA, GRACE),
            "account": self.opened.name,
        }
        return AgreementInput.model_validate(given | changes)

    async def begin(self, **changes: Any) -> tuple[Handle, AgreementInput]:
        """Start an agreement."""
        agreement = self.agreement(**changes)
        return await self.start(agreement), agreement

    async def break_calls(self, *faults: dict[str, Any]) -> None:
        """Set the sandbox's faults."""
        await self.sandbox.call("PUT", "/_sandbox/faults", {"api": list(faults)})

    async def break_webhooks(self, *faults: dict[str, Any]) -> None:
        """Set the faults of deliveries."""
        await self.sandbox.call("PUT", "/_sandbox/faults", {"webhooks": list(faults)})

    async def mend(self) -> None:
        """Clear all faults."""
        await self.sandbox.call("DELETE", "/_sandbox/faults")

    async def shown(self, document_id: str) -> dict[str, Any]:
        """The document as the sandbox's control API shows it."""
        found: dict[str, Any] = await self.sandbox.call("GET", f"/_sandbox/documents/{document_id}")
        return found

    async def people(self, document_id: str) -> list[str]:
        """The ids of the document's signers."""
        return [str(person["id"]) for person in (await self.shown(document_id))["recipients"]]

    async def act(self, document_id: str, number: int, action: str, **body: Any) -> None:
        """Sign, view or decline as a signer, from 1."""
        person = (await self.people(document_id))[number - 1]
        await self.sandbox.call(
            "POST", f"/_sandbox/documents/{document_id}/recipients/{person}/{action}", body or None
        )

    async def complete(self, document_id: str) -> None:
        """Sign as all."""
        await self.sandbox.call("POST", f"/_sandbox/documents/{document_id}/complete", {})

    async def marker(self, agreement: AgreementInput) -> Marker:
        """Wait until the agreement has claimed its reference, and return its marker."""

        async def claims() -> list[Path]:
            return list(self.folder.rglob(f"{agreement.reference}/claim.json"))

        found = await self.eventually(claims, bool)
        return Marker(agreement.reference, json.loads(found[0].read_text())["tag"])

    async def sent(self, handle: Handle) -> str:
        """Wait until the document is sent, and return its id."""
        status = await self.until(handle, lambda status: status.document_id is not None)
        return str(status.document_id)

    async def sent_for(self, agreement: AgreementInput) -> list[str]:
        """The documents that reached signers; one entry for every time."""
        return await self.subject.sent_for(self.sandbox, agreement.reference)


def set_account(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    """Set up this process for the bench's account, as a command is."""
    account = bench.subject.account
    for name, value in bench.subject.settings_at(bench.sandbox.url).model_dump().items():
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        if text not in {None, False, ""}:
            monkeypatch.setenv(account.settings.variable(name), str(text))
    monkeypatch.setenv("COUNTERSIGN_ACCOUNTS", account.name)


def a_pdf() -> bytes:
    document = FPDF(format="A4")
    document.add_page()
    document.set_font("helvetica", size=12)
    document.cell(text="A contract.")
    return bytes(document.output())


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=SUBJECTS, ids=lambda item: item.kind)
async def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Subject, Sandbox]]:
    """The sandbox of a provider, a process of its own."""
    subject: Subject = request.param
    async with serving(subject, tmp_path_factory.mktemp(subject.kind)) as sandbox:
        yield subject, sandbox


@asynccontextmanager
async def serving(subject: Subject, folder: Path) -> AsyncIterator[Sandbox]:
    """Run a provider's sandbox."""
    port = free_port()
    sandbox = Sandbox(f"http://127.0.0.1:{port}", subject.api_key)
    command = [*subject.command, "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder)]
    environment = {"PATH": os.environ["PATH"], "SANDBOX_RETRY_DELAYS": "1,2"}
    async with Supervisor(folder) as supervisor:
        await supervisor.start(Part("sandbox", command, prints(sandbox.url), env=environment, folder=ROOT))
        yield sandbox


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def heard(
    served: tuple[Subject, Sandbox], client_of_session: Client
) -> AsyncIterator[tuple[Subject, Sandbox, RunningReceiver]]:
    """A sandbox that delivers its webhooks to a real receiver."""
    subject, sandbox = served
    variable = subject.account.webhook_settings.variable("webhook_secret")
    changes = {variable: SECRET, "COUNTERSIGN_ACCOUNTS": subject.kind}
    async with running_receiver(client_of_session, **changes) as receiver:
        await subject.subscribe(sandbox, f"{receiver.url}{subject.account.webhook_path}")
        yield subject, sandbox, receiver


@pytest.fixture(scope="session")
def client_of_session(temporal_env: Any) -> Client:
    """The session's client."""
    client: Client = temporal_env.client
    return client


Open = Callable[..., Awaitable[Bench]]


@pytest_asyncio.fixture
async def open_bench(
    heard: tuple[Subject, Sandbox, RunningReceiver],
    client: Client,
    time_skipper: TimeSkipper,
    tmp_path: Path,
) -> AsyncIterator[Open]:
    """Opens benches with other settings than the usual."""
    async with AsyncExitStack() as stack:

        async def opening(**settings: Any) -> Bench:
            return await stack.enter_async_context(
                bench_at(heard, client, time_skipper, tmp_path, **settings)
            )

        yield opening
        await heard[1].call("DELETE", "/_sandbox/faults")


@pytest_asyncio.fixture
async def bench(open_bench: Open) -> Bench:
    """A bench whose waits are fifty times shorter."""
    return await open_bench(time_scale=50)


@asynccontextmanager
async def bench_at(
    heard: tuple[Subject, Sandbox, RunningReceiver],
    client: Client,
    time: TimeSkipper,
    folder: Path,
    *,
    account: Account | None = None,
    limits: Limits | None = None,
    rules: CircuitRules | None = None,
    options: ProviderSettings | None = None,
    **settings: Any,
) -> AsyncIterator[Bench]:
    """Run workers for one account on queues of their own."""
    subject, sandbox, receiver = heard
    account = account or subject.account
    given: dict[str, Any] = {"task_queue": uuid.uuid4().hex, "graceful_stop_seconds": 1} | settings
    own = CountersignSettings(store=str(folder), **given)
    store = FolderStore(folder)
    content = a_pdf()
    stored = await put(store, "files/contract.pdf", content)
    source = FileSource(key=stored.key, file_name="contract.pdf", sha256=stored.sha256)
    key = [subject.settings_at(sandbox.url)]
    keys = Rotating(key[0], lambda: key[0], renew_seconds=0)
    async with (
        open_account(
            account, keys, options or ProviderSettings(), slots=own.provider_slots, rules=rules, limits=limits
        ) as opened,
        workflow_worker(client, store, own, {account.name: account}),
        provider_worker(client, opened, store, own, drain_seconds=0),
    ):
        yield Bench(
            client=client,
            time=time,
            task_queue=own.task_queue,
            patience=60,
            subject=subject,
            sandbox=sandbox,
            receiver=receiver,
            store=store,
            folder=folder,
            source=source,
            opened=opened,
            settings=own,
            keys=keys,
            key=key,
        )
