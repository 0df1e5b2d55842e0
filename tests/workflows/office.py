"""Where the tests' agreements are made: a worker of the test's own, the real sandbox, the real Temporal."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper

from countersign import testing
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    Signer,
    TemplateSource,
)
from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.providers.calls import Limits
from countersign.providers.circuit import CircuitRules
from countersign.providers.open_account import open_account
from countersign.providers.registry import account
from countersign.providers.turbodocx.settings import TurboDocxSettings
from countersign.secrets.rotation import Rotating
from countersign.settings import CallbackSettings, CountersignSettings, NoticeSettings, ProviderSettings
from countersign.storage import FolderStore, Store
from devstack.sandbox import API_KEY, ORG_ID, Sandbox
from devstack.stack import Stack
from worker import callback_worker, provider_worker, workflow_worker

T = TypeVar("T")
Handle = WorkflowHandle[Any, AgreementResult]

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
CALLBACK_SECRET: Final = "whsec_Y291bnRlcnNpZ24tY2FsbGJhY2stc2VjcmV0LTAwMQ=="
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


@dataclass(kw_only=True)
class Office(testing.Office):
    """Agreements of a worker of the test's own, with a sandbox as the provider and a store in a folder."""

    sandbox: Sandbox
    store: Store
    folder: Path
    settings: CountersignSettings

    @classmethod
    def on(cls, stack: Stack, client: Client, *, patience: float = 40) -> Self:
        """Use a whole stack, with the stack's worker."""
        settings = CountersignSettings()
        return cls(
            client=client,
            time=TimeSkipper(client),
            task_queue=settings.task_queue,
            sandbox=stack.sandbox,
            store=FolderStore(stack.store),
            folder=stack.store,
            settings=settings,
            patience=patience,
        )

    async def start(
        self,
        agreement: AgreementInput | None = None,
        *,
        skipping: bool = False,
        task_queue: str | None = None,
    ) -> Handle:
        return await super().start(agreement or an_agreement(), skipping=skipping, task_queue=task_queue)

    async def sign_all(self, document_id: str) -> None:
        """Sign as everybody, without any webhook to us."""
        await self.sandbox.complete(document_id)

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
    store: Store | None = None,
    callbacks: CallbackSettings | None = None,
    notices: NoticeSettings | None = None,
    serves_account: bool = True,
    sandboxed: bool = False,
    **settings: Any,
) -> AsyncIterator[Office]:
    """Run a worker on queues of its own, with its store in a folder; settings are Countersign's own.

    Args:
        client: The connection to Temporal.
        time: Skips time.
        sandbox: The provider.
        folder: Where the store is.
        rules: The circuit's.
        limits: Of the calls to the provider.
        store: Another store than the folder.
        callbacks: Who may be called back; by default this machine.
        notices: How operators are notified of problems; by default not at all.
        serves_account: Whether a worker takes the steps that call the provider.
        sandboxed: Run workflows in the SDK's strict sandbox, which costs CPU: test_workflows_histories.py
            runs and replays all branches so.
        settings: Countersign's own.
    """
    callbacks = callbacks or CallbackSettings(allow_loopback=True, secret=SecretStr(CALLBACK_SECRET))
    given: dict[str, Any] = {"task_queue": uuid.uuid4().hex, "graceful_stop_seconds": 1} | settings
    own = CountersignSettings(store=str(folder), **given)
    theirs = TurboDocxSettings(
        api_key=SecretStr(API_KEY),
        org_id=ORG_ID,
        base_url=sandbox.url,
        sender_email="contracts@example.com",
        sender_name="Example Contracts",
    )
    store = store or FolderStore(folder)
    configured = account(DEFAULT_ACCOUNT, DEFAULT_ACCOUNT)
    async with (
        open_account(
            configured,
            Rotating(theirs),
            ProviderSettings(),
            slots=own.provider_slots,
            rules=rules,
            limits=limits,
        ) as opened,
        workflow_worker(
            client,
            store,
            own,
            {configured.name: configured},
            callbacks=callbacks,
            notices=notices,
            circuits={configured.name: opened.circuit},
            sandboxed=sandboxed,
        ),
        provider_worker(client, opened, store, own, drain_seconds=0) if serves_account else nullcontext(),
        callback_worker(client, store, own, callbacks, notices=notices),
    ):
        yield Office(
            client=client,
            time=time,
            task_queue=own.task_queue,
            sandbox=sandbox,
            store=store,
            folder=folder,
            patience=60,
            settings=own,
        )
