"""From a verified event to a signal on the right workflow, once Temporal has acknowledged it.

Nothing is kept here: an event that Temporal has not acknowledged is the provider's to send again, and one
that comes twice is told apart by its id in the workflow, so any number of receivers are as good as one.
"""

import asyncio
from datetime import timedelta
from typing import Final

from structlog.contextvars import bind_contextvars
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.names import SIGNATURE_EVENT
from countersign.agreements.search_attributes import DOCUMENT_ID, STAGE
from countersign.webhooks.adapter import ParsedDelivery
from countersign.webhooks.outcome import DeliveryOutcome
from countersign.webhooks.routing import Routes

ACKNOWLEDGE_SECONDS: Final = 4.0
"""Providers are advised to expect an answer within 5 s; the rest of the way takes milliseconds."""

_ENDS: Final = frozenset({EventKind.COMPLETED, EventKind.VOIDED, EventKind.DECLINED, EventKind.EXPIRED})


class Delivery:
    """Signals workflows.

    Args:
        client: The connection to their namespace.
        routes: Tells which workflow an event is for.
    """

    def __init__(self, client: Client, routes: Routes) -> None:
        self._client = client
        self._routes = routes

    async def deliver(self, parsed: ParsedDelivery) -> DeliveryOutcome:
        """Signal the workflow; every verdict but `BUSY` and `UNAVAILABLE` is final."""
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                workflow_id = await self._routes.find(parsed)
                if workflow_id is None:
                    return DeliveryOutcome.NOT_OURS
                bind_contextvars(workflow_id=workflow_id)
                return await self._signal(workflow_id, parsed.event)
        except (RPCError, TimeoutError, RuntimeError) as error:  # RuntimeError: not even connected yet
            return _no_answer(error)

    async def _signal(self, workflow_id: str, event: SignatureEvent) -> DeliveryOutcome:
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await handle.signal(SIGNATURE_EVENT, event, rpc_timeout=timedelta(seconds=ACKNOWLEDGE_SECONDS))
        except RPCError as error:
            if _is_gone(error):
                return await self._after_the_end(workflow_id, event)
            raise
        return DeliveryOutcome.SIGNALLED

    async def _after_the_end(self, workflow_id: str, event: SignatureEvent) -> DeliveryOutcome:
        """Tell an echo from a contradiction: the provider announces also the ends that we bring about."""
        try:
            description = await self._client.get_workflow_handle(workflow_id).describe(
                rpc_timeout=timedelta(seconds=ACKNOWLEDGE_SECONDS)
            )
        except RPCError as error:
            if _is_gone(error):
                return DeliveryOutcome.FORGOTTEN
            raise
        bind_contextvars(run_id=description.run_id)
        document_id = description.typed_search_attributes.get(DOCUMENT_ID)
        stage = description.typed_search_attributes.get(STAGE)
        contradicts = event.kind in _ENDS and (event.kind == EventKind.COMPLETED) != (stage == "completed")
        return (
            DeliveryOutcome.CONTRADICTED
            if contradicts or document_id != event.document_id
            else DeliveryOutcome.CLOSED
        )


def _is_gone(error: RPCError) -> bool:
    """No such workflow, or it has ended; a namespace that is not there is our mistake, not the event's."""
    if error.status is not RPCStatusCode.NOT_FOUND:
        return False
    return not any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)


def _no_answer(error: Exception) -> DeliveryOutcome:
    throttled = isinstance(error, RPCError) and error.status is RPCStatusCode.RESOURCE_EXHAUSTED
    return DeliveryOutcome.BUSY if throttled else DeliveryOutcome.UNAVAILABLE
