"""Find the workflow that a verified event is for, and signal it.

The receiver keeps no state, so any number of receivers may run. The provider sends an event again if Temporal
has not acknowledged it, and the workflow ignores an event id that it has seen.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from structlog.contextvars import bind_contextvars
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements import reference
from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.names import SIGNATURE_EVENT
from countersign.agreements.reference import Marker
from countersign.agreements.search_attributes import DOCUMENT_ID, STAGE, shown_stage
from countersign.webhooks.adapter import ParsedDelivery, WorkflowDelivery, WorkflowStart
from countersign.webhooks.outcome import DeliveryOutcome

ACKNOWLEDGE_SECONDS: Final = 4.0
"""How long Temporal may take. Providers are advised to wait 5 s for a response."""

_RPC_TIMEOUT: Final = timedelta(seconds=ACKNOWLEDGE_SECONDS)

MISS_SECONDS: Final = 10
MISS_LIMIT: Final = 10_000
"""Cached ids of documents without a workflow. A subscription covers all documents of an organization."""

_QUERYABLE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ENDS: Final = frozenset({EventKind.COMPLETED, EventKind.VOIDED, EventKind.DECLINED, EventKind.EXPIRED})


class Markers:
    """Finds a workflow by the document's marker, without I/O.

    Args:
        environment: The environment that the markers are made for.
        namespace: The namespace that the markers are made for.
    """

    def __init__(self, *, environment: str, namespace: str) -> None:
        self._environment = environment
        self._namespace = namespace

    def find(self, mark: Marker | None) -> str | None:
        """Return the workflow id; None without a marker of this environment and namespace."""
        if mark is None or not reference.matches_environment(
            mark, environment=self._environment, namespace=self._namespace
        ):
            return None
        return reference.workflow_id(mark.reference)

    def judge_test(self, document_id: str | None) -> DeliveryOutcome | None:
        """Return what a test event ends in, by who has asked for it; None if it is another event."""
        if not reference.is_test_document(document_id):
            return None
        own = reference.test_document_id(environment=self._environment, namespace=self._namespace)
        return DeliveryOutcome.TEST if document_id == own else DeliveryOutcome.OTHER_ENVIRONMENT


class Documents:
    """Finds a workflow by its `DocumentId` search attribute, for documents without a marker.

    Args:
        client: The connection to the workflows' namespace.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._misses: OrderedDict[str, float] = OrderedDict()

    async def find(self, document_id: str | None) -> str | None:
        """Return the workflow id; None if no workflow has this document.

        Raises:
            RPCError: The search failed, or Temporal throttled it.
        """
        if document_id is None or not _QUERYABLE.fullmatch(document_id) or self._missed(document_id):
            return None
        query = f"DocumentId = '{document_id}'"
        async for execution in self._client.list_workflows(query, page_size=1, limit=1):
            return execution.id
        self._misses[document_id] = self._clock() + MISS_SECONDS
        if len(self._misses) > MISS_LIMIT:
            self._misses.popitem(last=False)
        return None

    def _missed(self, document_id: str) -> bool:
        forget_at = self._misses.get(document_id)
        if forget_at is None or self._clock() < forget_at:
            return forget_at is not None
        del self._misses[document_id]
        return False


class WorkflowFinder:
    """Finds the workflow that an event is for.

    Args:
        markers: Finds workflows by markers.
        documents: Finds workflows of documents without a marker; None to ignore such documents.
    """

    def __init__(self, markers: Markers, documents: Documents | None = None) -> None:
        self._markers = markers
        self._documents = documents

    def judge_test(self, parsed: ParsedDelivery) -> DeliveryOutcome | None:
        """Return what a test event ends in, by who has asked for it; None if it is another event."""
        return self._markers.judge_test(parsed.event.document_id)

    async def find(self, parsed: ParsedDelivery) -> str | None:
        """Return the workflow id; None if the event is not for a workflow of this environment.

        Raises:
            RPCError: The search for a document's id failed.
        """
        if parsed.marker is not None or self._documents is None:
            return self._markers.find(parsed.marker)
        return await self._documents.find(parsed.event.document_id)


class Delivery:
    """Signals workflows.

    Args:
        client: The connection to the workflows' namespace.
        workflow_finder: Finds the workflow that an event is for.
    """

    def __init__(self, client: Client, workflow_finder: WorkflowFinder) -> None:
        self._client = client
        self._workflow_finder = workflow_finder
        self._workflows = WorkflowSignals(client)

    async def deliver(self, parsed: ParsedDelivery | WorkflowDelivery) -> DeliveryOutcome:
        """Signal the workflow. Every outcome but `BUSY`, `UNAVAILABLE` and `NO_WORKFLOW` is final."""
        if isinstance(parsed, WorkflowDelivery):
            return await self._workflows.deliver(parsed)
        if (test := self._workflow_finder.judge_test(parsed)) is not None:
            return test
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                workflow_id = await self._workflow_finder.find(parsed)
                if workflow_id is None:
                    return DeliveryOutcome.NOT_OURS
                bind_contextvars(workflow_id=workflow_id)
                return await self._signal(workflow_id, parsed.event)
        except (RPCError, TimeoutError, RuntimeError) as error:  # RuntimeError: not connected yet
            return _failure(error)

    async def _signal(self, workflow_id: str, event: SignatureEvent) -> DeliveryOutcome:
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await handle.signal(SIGNATURE_EVENT, event, rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if _is_closed(error):
                return await self._compare_with_result(workflow_id, event)
            raise
        return DeliveryOutcome.SIGNALLED

    async def _compare_with_result(self, workflow_id: str, event: SignatureEvent) -> DeliveryOutcome:
        """Tell an echo from a contradiction: providers also announce the ends that an agreement causes."""
        try:
            description = await self._client.get_workflow_handle(workflow_id).describe(
                rpc_timeout=_RPC_TIMEOUT
            )
        except RPCError as error:
            if _is_closed(error):
                return DeliveryOutcome.FORGOTTEN
            raise
        bind_contextvars(run_id=description.run_id)
        document_id = description.typed_search_attributes.get(DOCUMENT_ID)
        stage = shown_stage(
            description.typed_search_attributes.get(STAGE),
            has_completed=description.status is WorkflowExecutionStatus.COMPLETED,
        )
        contradicts = event.kind in _ENDS and (event.kind == EventKind.COMPLETED) != (stage == "completed")
        return (
            DeliveryOutcome.CONTRADICTED
            if contradicts or document_id != event.document_id
            else DeliveryOutcome.CLOSED
        )


class WorkflowSignals:
    """Signals workflows of the user, which no marker names and no poll helps.

    Args:
        client: The connection to the workflows' namespace.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def deliver(self, delivery: WorkflowDelivery) -> DeliveryOutcome:
        """Signal the workflow, and start it before if the route says so and there is none."""
        workflow_id = delivery.workflow_id
        if workflow_id is None:
            return DeliveryOutcome.NOT_OURS
        bind_contextvars(workflow_id=workflow_id)
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                if delivery.start is not None:
                    return await self._signal_with_start(delivery, delivery.start, workflow_id)
                return await self._signal(delivery, workflow_id)
        except (RPCError, TimeoutError, RuntimeError) as error:  # RuntimeError: not connected yet
            return _failure(error)

    async def _signal(self, delivery: WorkflowDelivery, workflow_id: str) -> DeliveryOutcome:
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await handle.signal(delivery.signal, delivery.event, rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if not _is_closed(error):
                raise
            return await self._closed_or_none(workflow_id)
        return DeliveryOutcome.SIGNALLED

    async def _signal_with_start(
        self, delivery: WorkflowDelivery, start: WorkflowStart, workflow_id: str
    ) -> DeliveryOutcome:
        try:
            await self._client.start_workflow(
                start.workflow,
                delivery.event.data,
                id=workflow_id,
                task_queue=start.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,  # a repeated event starts nothing
                start_signal=delivery.signal,
                start_signal_args=[delivery.event],
                rpc_timeout=_RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return DeliveryOutcome.CLOSED
        return DeliveryOutcome.SIGNALLED

    async def _closed_or_none(self, workflow_id: str) -> DeliveryOutcome:
        try:
            await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if not _is_closed(error):
                raise
            return DeliveryOutcome.NO_WORKFLOW
        return DeliveryOutcome.CLOSED


def _is_closed(error: RPCError) -> bool:
    """Return whether the workflow has ended or does not exist. A missing namespace is a wrong setting."""
    if error.status is not RPCStatusCode.NOT_FOUND:
        return False
    return not any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)


def _failure(error: Exception) -> DeliveryOutcome:
    throttled = isinstance(error, RPCError) and error.status is RPCStatusCode.RESOURCE_EXHAUSTED
    return DeliveryOutcome.BUSY if throttled else DeliveryOutcome.UNAVAILABLE
