"""`demo`: one agreement with two signers, from template to archive, on real parts."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from temporalio.client import Client

from commands.agreements import StartedAgreement, agreement_result, agreement_status, start_agreement
from commands.local import local_stack
from commands.verbs import out, verb
from countersign.connection import connect
from countersign.local.sandbox import Sandbox
from countersign.local.stack import Stack
from countersign.reference import new_reference
from workflows.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Outcome,
    Signer,
    TemplateSource,
)

SERVICES_AGREEMENT: Final = "7e3a1c00-0000-4000-8000-000000000001"
"""A template that every sandbox is seeded with."""

_GLANCE: Final = 0.1


@verb
async def demo() -> int:
    """Show one agreement from end to end: generated, sent, signed by two people, archived."""
    clock = Clock()
    clock.say("starting Temporal, the sandbox, the webhook door and a worker")
    async with local_stack() as stack:
        client = await connect(environment=stack.env)
        started = await start_agreement(example_agreement(), client=client)
        clock.say(f"agreement {started.reference} started")
        signers = asyncio.create_task(_sign(stack.sandbox, started.reference, client))
        async for line in _news(started.reference, client):
            clock.say(line)
        await signers
        result = await agreement_result(started.reference, client=client)
        _summarise(stack, started, result)
        return 0 if result.outcome == Outcome.COMPLETED else 1


class Clock:
    """Prints lines with the seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, line: str) -> None:
        """Print a line with the time."""
        out.print(f"{time.monotonic() - self._start:6.1f} s  {line}", markup=False)


def example_agreement() -> AgreementInput:
    """An agreement that the sandbox's templates allow, for two people who do not exist."""
    return AgreementInput(
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


async def _sign(sandbox: Sandbox, reference: str, client: Client) -> None:
    """View and sign as each signer in turn, as people would do on the signing page."""
    document_id = await _document_id(reference, client)
    for recipient_id in await sandbox.recipient_ids(document_id):
        await sandbox.view(document_id, recipient_id)
        await asyncio.sleep(_GLANCE * 5)  # people read before they sign; shows "viewed" as a step of its own
        await sandbox.sign(document_id, recipient_id)


async def _document_id(reference: str, client: Client) -> str:
    while True:
        status = await agreement_status(reference, client=client)
        if status.document_id:
            return status.document_id
        await asyncio.sleep(_GLANCE)


async def _news(reference: str, client: Client) -> AsyncIterator[str]:
    """Tell each thing that changes, until the agreement has ended."""
    told: set[str] = set()
    while True:
        status = await agreement_status(reference, client=client)
        for line in _lines(status):
            if line not in told:
                told.add(line)
                yield line
        if status.result is not None:
            return
        await asyncio.sleep(_GLANCE)


def _lines(status: AgreementStatus) -> list[str]:
    lines = []
    if status.document_id:
        lines += [
            "document generated from its template",
            f"sent for signature: document {status.document_id}",
        ]
    signed = sorted(filter(None, (signer.signed_at for signer in status.signers)))
    for signer in status.signers:
        if signer.viewed_at:
            lines.append(f"viewed by {signer.name}")
        if signer.signed_at:
            place = signed.index(signer.signed_at) + 1
            lines.append(f"signed by {signer.name} ({place} of {len(status.signers)})")
    if status.result:
        lines.append("archived" if status.result.archive else status.result.outcome)
    return lines


def _summarise(stack: Stack, started: StartedAgreement, result: AgreementResult) -> None:
    out.print()
    out.print(f"outcome      {result.outcome}, known from a {result.resolved_by}")
    if result.archive:
        out.print(f"signed PDF   {result.archive.document.url}")
        out.print(f"SHA-256      {result.archive.document.sha256}")
    path = f"namespaces/default/workflows/{started.workflow_id}/{started.run_id}"
    out.print(f"Temporal UI  {stack.ui_url}/{path}")
    out.print("             (`make up` starts everything again on the same data, to look around)")
