"""`demo`: one agreement with two signers, from template to archive, on real parts."""

import asyncio
import time
from typing import Final

from temporalio.client import Client

from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    FileSource,
    Outcome,
    Signer,
    TemplateSource,
)
from countersign.agreements.names import DEFAULT_ACCOUNT, TASK_QUEUE
from countersign.agreements.reference import new_reference
from countersign.client.agreements import agreement_result
from countersign.client.errors import ExitCode
from countersign.client.files import read_file
from countersign.client.follow import follow_agreement
from countersign.client.references import StartedAgreement
from countersign.client.start import start_agreement
from countersign.connection import connect
from countersign.observability import tracing
from countersign.storage import FolderStore, put
from devstack.ports import Ports
from devstack.sandbox import Sandbox
from devstack.site import Site
from devstack.stack import PARTS

from .command import out, verb
from .stack import ROOT, AccountNames, FreePorts, chosen_accounts, is_running, on_local_stack
from .views import News

SERVICES_AGREEMENT: Final = "7e3a1c00-0000-4000-8000-000000000001"
"""A template that every sandbox is seeded with."""

_CONTRACT: Final = ROOT / "docs" / "examples" / "contract.pdf"
_READING: Final = 0.5
"""Seconds that a signer reads before signing; makes "viewed" a step that can be seen."""


class Clock:
    """Prints lines with the seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def print_notice(self, line: str) -> None:
        """Print a line with the time."""
        out.print(f"{time.monotonic() - self._start:6.1f} s  {line}")


@verb
async def demo(*, free_ports: FreePorts = False, account: AccountNames = None) -> int:
    """Run one agreement from end to end: generated, sent, signed by two people, archived."""
    clock, accounts = Clock(), chosen_accounts(account)
    joins = is_running()
    if not joins:
        clock.print_notice("starting Temporal, the sandbox, the webhook receiver and a worker")
    return await on_local_stack(
        lambda site: _show(clock, site, accounts[0], joins=joins),
        ports=Ports.pick() if free_ports else None,
        accounts=accounts,
        parts=[part for part in PARTS if part != "api"],
    )


async def _show(clock: Clock, site: Site, account: str, *, joins: bool) -> int:
    client = await connect(environment=site.settings(), interceptors=tracing.interceptors("starter"))
    agreement = await _example(site, account)
    started = await start_agreement(agreement, ask_provider=False, task_queue=TASK_QUEUE, client=client)
    clock.print_notice(f"agreement {started.reference} started")
    await asyncio.gather(
        _narrate(clock, started.reference, client), _sign(site.sandboxes[account], started.reference, client)
    )
    result = await agreement_result(started.reference, client=client)
    _summarise(site, started, result, stays=joins)
    return ExitCode.DONE if result.outcome == Outcome.COMPLETED else ExitCode.NOT_COMPLETED


async def _example(site: Site, account: str) -> AgreementInput:
    """The example; as a file where the provider generates no documents."""
    agreement = example_agreement()
    if account == DEFAULT_ACCOUNT:
        return agreement
    file = await read_file(_CONTRACT)
    await put(FolderStore(site.store), file.key, file.content)
    source = FileSource(key=file.key, file_name=file.name, sha256=file.sha256)
    return agreement.model_copy(update={"account": account, "source": source})


def example_agreement() -> AgreementInput:
    """An agreement that the sandbox's templates allow, for two people who do not exist."""
    return AgreementInput(
        account=DEFAULT_ACCOUNT,
        reference=new_reference(),
        title="Services Agreement",
        source=TemplateSource(
            template_id=SERVICES_AGREEMENT,
            variables={
                "CustomerName": "Example Customer Ltd",
                "CompanyName": "Example Contracts Inc",
                "Service": "monthly maintenance",
                "Price": "EUR 1,200",
                "StartDate": "1 January 2027",
            },
        ),
        signers=(
            Signer(name="Ada Example", email="ada@example.com"),
            Signer(name="Ben Example", email="ben@example.com"),
        ),
    )


async def _narrate(clock: Clock, reference: str, client: Client) -> None:
    """Print what happens, as it happens."""
    news = News()
    async for status in follow_agreement(reference, client=client, on_trouble=clock.print_notice):
        for event in news.of(status):
            clock.print_notice(event.line)


async def _sign(sandbox: Sandbox, reference: str, client: Client) -> None:
    """View and sign as every signer in turn, as people do on the signing page."""
    async for status in follow_agreement(reference, client=client):
        if status.document_id is not None:
            document_id = status.document_id
            break
    for recipient_id in await sandbox.recipient_ids(document_id):
        await sandbox.view(document_id, recipient_id)
        await asyncio.sleep(_READING)
        await sandbox.sign(document_id, recipient_id)


def _summarise(site: Site, started: StartedAgreement, result: AgreementResult, *, stays: bool) -> None:
    out.print()
    out.print(f"outcome      {result.outcome}, resolved by {result.resolved_by}")
    if result.archive:
        out.print(f"signed PDF   {result.archive.document.url}")
        out.print(f"SHA-256      {result.archive.document.sha256}")
    path = f"namespaces/default/workflows/{started.workflow_id}/{started.run_id}"
    out.print(f"Temporal UI  {site.ui_url}/{path}")
    if stays:
        out.print("             (as long as `make up` runs in the other terminal)")
    else:
        out.print("             (`make up` brings it up again on the same data, to look around)")
