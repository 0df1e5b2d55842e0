"""Accounts in one process: keys, circuits, limits and queues do not mix; what a provider lacks is refused."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from countersign import testing
from countersign.agreements import search_attributes
from countersign.agreements.messages import (
    AgreementInput,
    FileSource,
    Outcome,
    Sender,
    SignatureField,
    Signer,
    TemplateSource,
)
from countersign.agreements.names import account_task_queue
from countersign.agreements.validation import Needs, needs_of
from countersign.configuration import SettingsError
from countersign.providers.circuit import CircuitRules, State
from countersign.providers.lacks import lacks
from countersign.providers.open_account import OpenAccount, open_account
from countersign.providers.registry import Account, account, accounts
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings
from countersign.storage import FolderStore
from devstack.sandbox import Sandbox
from tests.conformance.conftest import ADA, serving
from tests.conformance.subjects import SUBJECTS
from tests.workflows.office import TEMPLATE, VARIABLES
from worker import CALLS_PER_STEP, provider_worker, workflow_worker

pytestmark = pytest.mark.thorough

TURBODOCX, DOCUMENSO = account("turbodocx", "turbodocx"), account("documenso", "documenso")
UK = account("turbodocx-uk", "turbodocx")


@dataclass(kw_only=True)
class TwoOrganizations(testing.Office):
    """Two accounts of one provider, each with a sandbox of its own, served by one process."""

    sandboxes: dict[str, Sandbox]
    opened: dict[str, OpenAccount]
    workers: dict[str, Any]

    async def begin(self, name: str) -> Any:
        agreement = AgreementInput(
            reference=f"a-{uuid.uuid4().hex[:10]}",
            title="Statement of Work",
            source=TemplateSource(template_id=TEMPLATE, variables=VARIABLES),
            signers=(ADA,),
            account=name,
        )
        return await self.start(agreement)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two_sandboxes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Sandbox]]:
    """Two organizations: each sandbox takes its own key alone."""
    (subject,) = [item for item in SUBJECTS if item.kind == "turbodocx"]
    async with AsyncExitStack() as stack:
        found = {}
        for name in (TURBODOCX.name, UK.name):
            folder = tmp_path_factory.mktemp(name)
            sandbox = await stack.enter_async_context(serving(subject, folder))
            found[name] = sandbox
        await found[UK.name].call("PUT", "/_sandbox/access", {"api_key": "TDX-test-united-kingdom"})
        yield found | {UK.name: Sandbox(found[UK.name].url, "TDX-test-united-kingdom")}


@asynccontextmanager
async def both(
    client: Client, time: TimeSkipper, folder: Path, sandboxes: dict[str, Sandbox]
) -> AsyncIterator[TwoOrganizations]:
    """Serve both accounts, as `python worker.py` does."""
    own = CountersignSettings(store=str(folder), task_queue=uuid.uuid4().hex, graceful_stop_seconds=1)
    store, configured = FolderStore(folder), {TURBODOCX.name: TURBODOCX, UK.name: UK}
    (subject,) = [item for item in SUBJECTS if item.kind == "turbodocx"]
    async with AsyncExitStack() as stack:
        opened, workers = {}, {}
        for name, entry in configured.items():
            given = subject.settings_at(sandboxes[name].url, sandboxes[name].api_key).model_dump()
            settings = entry.settings(**given | {"calls_per_second": 30 if name == UK.name else None})
            opened[name] = await stack.enter_async_context(
                open_account(
                    entry,
                    Rotating(settings),
                    ProviderSettings(calls_per_second=90),
                    slots=5,
                    rules=CircuitRules(failures=3, cooldown=0.5),
                )
            )
            workers[name] = provider_worker(client, opened[name], store, own, drain_seconds=0)
            await stack.enter_async_context(workers[name])
        await stack.enter_async_context(workflow_worker(client, store, own, configured))
        yield TwoOrganizations(
            client=client,
            time=time,
            task_queue=own.task_queue,
            patience=60,
            sandboxes=sandboxes,
            opened=opened,
            workers=workers,
        )


@pytest_asyncio.fixture
async def two(
    client: Client, time_skipper: TimeSkipper, tmp_path: Path, two_sandboxes: dict[str, Sandbox]
) -> AsyncIterator[TwoOrganizations]:
    """Two organizations of one provider side by side."""
    async with both(client, time_skipper, tmp_path, two_sandboxes) as found:
        yield found


async def test_agreements_reach_their_own_organization(two: TwoOrganizations) -> None:
    for name, sandbox in two.sandboxes.items():
        handle = await two.begin(name)
        document_id = await two.sent(handle)
        listed = await sandbox.call("GET", "/_sandbox/documents")
        assert document_id in {document["id"] for document in listed["documents"]}
        described = await handle.describe()
        assert described.typed_search_attributes.get(search_attributes.ACCOUNT) == name
        await sandbox.complete(document_id)
        await two.deliver_event(handle, "completed", document_id)
        assert (await two.result(handle)).outcome is Outcome.COMPLETED


async def test_an_outage_of_one_organization_leaves_the_other_alone(two: TwoOrganizations) -> None:
    fault = {"path": "*", "do": "status", "status": 503, "times": None}
    await two.sandboxes[UK.name].call("PUT", "/_sandbox/faults", {"api": [fault]})
    try:
        handle = await two.begin(UK.name)

        async def state() -> State:
            return two.opened[UK.name].circuit.snapshot().state

        await two.eventually(state, lambda state: state is State.OPEN)
        other = await two.begin(TURBODOCX.name)
        assert await two.sent(other)
        assert two.opened[TURBODOCX.name].circuit.snapshot().state is State.CLOSED
        assert (await two.status(handle)).document_id is None
    finally:
        await two.sandboxes[UK.name].call("DELETE", "/_sandbox/faults")
    assert await two.sent(handle), "it goes on by itself"


def test_accounts_have_queues_and_limits_of_their_own(two: TwoOrganizations) -> None:
    limits = {name: worker.config() for name, worker in two.workers.items()}
    assert {config["task_queue"] for config in limits.values()} == {
        account_task_queue(two.task_queue, name) for name in two.workers
    }
    rates = {name: config["max_task_queue_activities_per_second"] for name, config in limits.items()}
    assert rates == {TURBODOCX.name: 90 / CALLS_PER_STEP, UK.name: 30 / CALLS_PER_STEP}


async def test_an_account_that_the_worker_lacks_is_named(two: TwoOrganizations) -> None:
    handle = await two.begin("turbodocx-us")
    with pytest.raises(WorkflowFailureError) as failed:
        await two.result(handle)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "BadInput"
    assert failed.value.cause.message == (
        "account: the worker has no account turbodocx-us; COUNTERSIGN_ACCOUNTS names turbodocx, turbodocx-uk"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {"turbodocx": "turbodocx"}),
        ("documenso", {"documenso": "documenso"}),
        (
            "turbodocx, uk=turbodocx,documenso",
            {"turbodocx": "turbodocx", "uk": "turbodocx", "documenso": "documenso"},
        ),
    ],
)
def test_accounts_are_read_from_one_setting(
    monkeypatch: pytest.MonkeyPatch, value: str | None, expected: dict[str, str]
) -> None:
    monkeypatch.delenv("COUNTERSIGN_ACCOUNTS", raising=False)
    if value is not None:
        monkeypatch.setenv("COUNTERSIGN_ACCOUNTS", value)
    assert {name: entry.plugin.kind for name, entry in accounts().items()} == expected


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("Turbo", "must be names of accounts"),
        ("uk=", "must be names of accounts"),
        ("uk=turbodocx,uk=documenso", "names the account uk twice"),
        (",", "must name at least one account"),
        ("docusign", "no provider docusign is installed; there are documenso, turbodocx"),
    ],
)
def test_accounts_that_cannot_work_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch, value: str, complaint: str
) -> None:
    monkeypatch.setenv("COUNTERSIGN_ACCOUNTS", value)
    with pytest.raises(SettingsError, match=complaint):
        accounts()


def test_settings_of_an_account_have_its_prefix() -> None:
    assert UK.settings.variable("api_key") == "TURBODOCX_UK_API_KEY"
    assert UK.webhook_settings.variable("webhook_secret") == "TURBODOCX_UK_WEBHOOK_SECRET"
    assert UK.webhook_path == "/webhooks/turbodocx-uk"
    assert TURBODOCX.settings.variable("api_key") == "TURBODOCX_API_KEY"


GENERATES = "documenso does not generate documents from a template's variables"
FIELD_TYPES = "date or email or full_name or initial or number or signature or text"
FILE = FileSource(key="files/x.pdf", file_name="x.pdf", sha256="0" * 64)


def agreement(**changes: Any) -> AgreementInput:
    given = {
        "reference": "order-1042",
        "title": "Contract",
        "source": FILE,
        "signers": (Signer(name="A", email="a@example.com"),),
    }
    return AgreementInput.model_validate(given | changes)


@pytest.mark.parametrize(
    ("changes", "known", "sentences"),
    [
        ({}, (DOCUMENSO,), ()),
        (
            {"source": TemplateSource(template_id="t", variables={})},
            (DOCUMENSO, TURBODOCX),
            (f"{GENERATES}; use a file, or use account turbodocx",),
        ),
        (
            {"source": TemplateSource(template_id="t", variables={})},
            (DOCUMENSO,),
            (f"{GENERATES}; use a file",),
        ),
        (
            {"source": FILE.model_copy(update={"file_name": "x.docx"})},
            (DOCUMENSO,),
            ("documenso does not accept .docx files; use .pdf",),
        ),
        (
            {"sender": Sender(name="S", email="s@example.com")},
            (DOCUMENSO,),
            ("documenso does not let an agreement name its sender; leave `sender` out",),
        ),
        (
            {"fields": (SignatureField(signer=1, anchor="{Sign}"),)},
            (DOCUMENSO,),
            ("documenso does not place fields at a text of the document; give `page`, `x` and `y`",),
        ),
        (
            {"fields": (SignatureField(signer=1, type="stamp", page=1, x=1, y=1),)},
            (DOCUMENSO,),
            (f"documenso does not have all of the field types stamp; use {FIELD_TYPES}",),
        ),
    ],
)
def test_what_a_provider_lacks_is_one_sentence_with_a_way_out(
    changes: dict[str, Any], known: tuple[Account, ...], sentences: tuple[str, ...]
) -> None:
    found = lacks(needs_of(agreement(**changes)), known[0], {entry.name: entry for entry in known})
    assert found == sentences


def test_an_older_worker_reads_needs_that_it_does_not_know() -> None:
    assert Needs.model_validate({"source": "file", "holograms": True}).source == "file"
