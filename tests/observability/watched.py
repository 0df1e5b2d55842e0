"""A stack that is watched: what its processes tell, and agreements to tell of."""

import asyncio
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from cli.demo import example_agreement
from countersign.agreements.messages import AgreementResult
from countersign.client.agreements import agreement_result, agreement_status
from countersign.client.errors import UnreachableError
from countersign.client.references import StartedAgreement
from countersign.client.start import start_agreement
from devstack.stack import Stack

PATIENCE = 30.0


@dataclass
class Watched:
    """The stack, and where its worker and its receiver tell about themselves."""

    stack: Stack
    client: Client
    worker: str
    receiver: str

    async def start(self, **changes: Any) -> StartedAgreement:
        return await start_agreement(example_agreement().model_copy(update=changes), client=self.client)

    async def sent(self, started: StartedAgreement) -> str:
        """Wait until an agreement's document is out; returns the document's id."""
        return await self.sent_by(started.reference)

    async def sent_by(self, reference: str) -> str:
        """As `sent`, by reference."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(UnreachableError):  # a worker that has just started
                    status = await agreement_status(reference, client=self.client)
                    if status.document_id:
                        return status.document_id
                await asyncio.sleep(0.05)

    async def complete_one(self) -> AgreementResult:
        """Run an agreement to its end, signed and announced by webhook."""
        started = await self.start()
        await self.stack.sandbox.complete(await self.sent(started))
        async with asyncio.timeout(PATIENCE):
            return await agreement_result(started.reference, client=self.client)


async def get(url: str) -> tuple[int, str]:
    """GET; returns status and body, whatever the status."""
    return await asyncio.to_thread(_get, url)


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # our own loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
