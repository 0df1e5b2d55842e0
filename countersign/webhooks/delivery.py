"""From a verified event to a signal on the right workflow, once Temporal has acknowledged it."""

import asyncio
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from countersign import reference
from countersign.events import SignatureEvent
from countersign.webhooks.dialect import Reading
from countersign.webhooks.verdict import Verdict

SIGNAL: Final = "signature_event"
ACKNOWLEDGE_SECONDS: Final = 4.0
"""Providers are advised to expect an answer within 5 s; the rest of the way takes milliseconds."""


class Delivery:
    """Routes events by the marker in the document's title and signals the workflow it names.

    Args:
        client: Connected to the namespace that the markers were made for.
        environment: The environment that they were made for.
    """

    def __init__(self, client: Client, *, environment: str) -> None:
        self._client = client
        self._environment = environment

    async def deliver(self, reading: Reading) -> Verdict:
        """Signal the workflow; any verdict but `BUSY` and `UNAVAILABLE` is final."""
        workflow_id = self._route(reading)
        if workflow_id is None:
            return Verdict.NOT_OURS
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                await self._signal(workflow_id, reading.event)
        except TimeoutError:
            return Verdict.UNAVAILABLE
        except RPCError as error:
            return _verdict_of(error)
        return Verdict.SIGNALLED

    def _route(self, reading: Reading) -> str | None:
        mark = reference.find_marker(reading.title or "")
        if mark is None:
            return None
        ours = reference.is_ours(mark, environment=self._environment, namespace=self._client.namespace)
        return reference.workflow_id(mark.reference) if ours else None

    async def _signal(self, workflow_id: str, event: SignatureEvent) -> None:
        await self._client.get_workflow_handle(workflow_id).signal(
            SIGNAL, event, rpc_timeout=timedelta(seconds=ACKNOWLEDGE_SECONDS)
        )


def _verdict_of(error: RPCError) -> Verdict:
    if error.status is RPCStatusCode.NOT_FOUND:
        return Verdict.CLOSED
    return Verdict.BUSY if error.status is RPCStatusCode.RESOURCE_EXHAUSTED else Verdict.UNAVAILABLE
