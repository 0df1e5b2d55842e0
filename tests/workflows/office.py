"""Where the tests' agreements are made: a worker of the test's own, the real sandbox, the real Temporal."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper

from countersign.agreements.events import SignatureEvent
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Sender,
    Signer,
    Stage,
    TemplateSource,
)
from countersign.providers.calls import Limits
from countersign.providers.circuit import CircuitRules
from countersign.providers.turbodocx import connection
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings, TurboDocxSettings
from countersign.storage import FolderStore, Store
from devstack.sandbox import API_KEY, ORG_ID, Sandbox
from devstack.stack import Stack
from worker import provider_worker, workflow_worker
from workflows.agreement import AgreementWorkflow
from workflows.agreement.state import RunInput

T = TypeVar("T")
Handle = WorkflowHandle[AgreementWorkflow, AgreementResult]

TEMPLATE: Final = "7e3a1c00-0000-4000-8000-000000000001"
VARIABLES: Final = {
    "CustomerName": "Example Ltd",
    "CompanyName": "Countersign",
    "Service": "Consulting",
    "Price": "1,000",
    "StartDate": "2026-01-01",
}
ADA: Final = Signer(name="Ada Lovelace", email="ada@example.com")
GRACE: Final = Signer(name="Grace Hopper", email="grace@example.com")
SEND: Final = "/turbosign/single/prepare-for-signing"


def an_agreement(**changes: Any) -> AgreementInput:
    """Make an agreement with two signers from a template, unless told otherwise."""
    given = {
        "reference": f"t-{uuid.uuid4().hex[:12]}",
        "title": "Statement of Work",
        "source": TemplateSource(template_id=TEMPLATE, variables=VARIABLES),
        "signers": (ADA, GRACE),
    }
    return AgreementInput.model_validate(given | changes)


def run_input(agreement: AgreementInput) -> RunInput:
    """Make what the first run begins with: for the types alone, the JSON is the same."""
    return RunInput(**dict(agreement))


async def eventually(
    ask: Callable[[], Awaitable[T]], is_true: Callable[[T], bool], *, patience: float = 20
) -> T:
    """Ask until the answer is as wanted, for so many seconds at most."""
    async with asyncio.timeout(patience):
        while not is_true(answer := await ask()):  # noqa: ASYNC110  # nobody here could set an event
            await asyncio.sleep(0.02)
        return answer


@dataclass
class Office:
    """Start agreements, act as their signers, look at what became of them."""

    client: Client
    time: TimeSkipper
    sandbox: Sandbox
    store: Store
    folder: Path
    settings: CountersignSettings
    patience: float = 20.0

    @classmethod
    def on(cls, stack: Stack, client: Client, *, patience: float = 40) -> Self:
        """Work on a whole stack, with its own worker."""
        store = FolderStore(stack.store)
        settings = CountersignSettings()
        return cls(client, TimeSkipper(client), stack.sandbox, store, stack.store, settings, patience)

    async def start(
        self,
        agreement: AgreementInput | None = None,
        *,
        skipping: bool = False,
        task_queue: str | None = None,
    ) -> Handle:
        agreement = agreement or an_agreement()
        client = self.time.client if skipping else self.client
        return await client.start_workflow(
            AgreementWorkflow.run,
            run_input(agreement),
            id=f"agreement-{agreement.reference}",
            task_queue=task_queue or self.settings.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )

    async def skip(self, handle: Handle, duration: timedelta) -> None:
        """Let the workflow's clock run ahead."""
        await self.time.fast_forward(handle, duration)

    async def eventually(self, ask: Callable[[], Awaitable[T]], is_true: Callable[[T], bool]) -> T:
        """Ask until the answer is as wanted."""
        return await eventually(ask, is_true, patience=self.patience)

    async def until(self, handle: Handle, is_true: Callable[[AgreementStatus], bool]) -> AgreementStatus:
        """Wait until an agreement's status is as wanted."""
        return await self.eventually(lambda: self.status(handle), is_true)

    async def status(self, handle: Handle) -> AgreementStatus:
        """Ask for the status; a run that has just continued as new cannot be asked yet."""
        async with asyncio.timeout(self.patience):
            while True:
                try:
                    return await handle.query(AgreementWorkflow.status)
                except RPCError as error:
                    if "not scheduled yet" not in error.message:
                        raise
                    await asyncio.sleep(0.02)

    async def until_stage(self, handle: Handle, stage: Stage) -> AgreementStatus:
        return await self.until(handle, lambda status: status.stage is stage)

    async def sent(self, handle: Handle) -> str:
        """Wait until the document is out; returns its id."""
        status = await self.until(handle, lambda status: status.document_id is not None)
        return str(status.document_id)

    async def sign_all(self, document_id: str) -> None:
        """Sign as everybody, without any webhook to us."""
        await self.sandbox.complete(document_id)

    async def deliver_event(self, handle: Handle, kind: str, document_id: str | None, **more: Any) -> None:
        """Signal what the receiver would."""
        event = SignatureEvent(
            event_id=more.pop("event_id", f"evt_{uuid.uuid4().hex}"),
            kind=kind,
            document_id=document_id,
            occurred_at=datetime.now(UTC).isoformat(),
            **more,
        )
        await handle.signal(AgreementWorkflow.signature_event, event)

    async def resolve(self, handle: Handle, action: str, document_id: str | None = None) -> None:
        """Decide as a person would; by name, since the SDK types described async updates wrongly."""
        await handle.execute_update("resolve", {"action": action, "document_id": document_id})

    async def break_call(self, path: str, do: str, **rule: Any) -> None:
        """Let the sandbox fail the next call to a path; until the end of the test if `times` is None."""
        await self.sandbox.call("PUT", "/_sandbox/faults", {"api": [{"path": path, "do": do, **rule}]})

    async def mend(self) -> None:
        await self.sandbox.call("DELETE", "/_sandbox/faults")

    async def documents_of(self, agreement: AgreementInput) -> list[str]:
        """List the documents that the provider really has for an agreement."""
        entries = (await self.sandbox.ledger())["entries"]
        return [
            str(entry["subject"])
            for entry in entries
            if entry["kind"] == "document_created" and agreement.reference in json.dumps(entry)
        ]

    async def status_at_provider(self, document_id: str) -> str:
        answer = await self.sandbox.call("GET", f"/turbosign/documents/{document_id}/status")
        return str(answer["data"]["status"])

    async def result(self, handle: Handle) -> AgreementResult:
        async with asyncio.timeout(self.patience):
            return await handle.result()


async def steps_of(handle: Handle) -> list[str]:
    """List the steps that its history shows, in their order."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


@asynccontextmanager
async def open_office(
    client: Client,
    time: TimeSkipper,
    sandbox: Sandbox,
    folder: Path,
    *,
    rules: CircuitRules | None = None,
    limits: Limits | None = None,
    **settings: Any,
) -> AsyncIterator[Office]:
    """Run a worker on queues of its own, with its store in a folder; settings are Countersign's own."""
    given: dict[str, Any] = {"task_queue": uuid.uuid4().hex, "graceful_stop_seconds": 1} | settings
    own = CountersignSettings(store=str(folder), **given)
    theirs = TurboDocxSettings(
        api_key=SecretStr(API_KEY),
        org_id=ORG_ID,
        base_url=sandbox.url,
        sender_email="contracts@example.com",
        sender_name="Example Contracts",
    )
    store = FolderStore(folder)
    sender = Sender(name=theirs.sender_name, email=theirs.sender_email)
    async with (
        connection.open_provider(
            Rotating(theirs), ProviderSettings(), slots=own.provider_slots, rules=rules, limits=limits
        ) as opened,
        workflow_worker(client, store, own),
        provider_worker(client, opened, store, own, sender),
    ):
        yield Office(client, time, sandbox, store, folder, own)
