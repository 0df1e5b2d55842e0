"""A stand-in for AgreementWorkflow that records every signal."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from countersign.agreements import reference
from countersign.agreements.events import SignatureEvent

QUEUE = "webhook-receivers"


@workflow.defn
class Receiver:
    def __init__(self) -> None:
        self.events: list[SignatureEvent] = []
        self.ended = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.ended)

    @workflow.signal
    def signature_event(self, event: SignatureEvent) -> None:
        self.events.append(event)

    @workflow.signal
    def end(self) -> None:
        self.ended = True

    @workflow.query
    def received_count(self) -> int:
        return len(self.events)

    @workflow.query
    def received(self) -> list[SignatureEvent]:
        return self.events


@dataclass(frozen=True)
class Agreement:
    """A running stand-in workflow, its document's id and its document's title."""

    handle: WorkflowHandle[Receiver, None]
    document_id: str
    title: str

    async def events(self) -> list[SignatureEvent]:
        return await self.handle.query(Receiver.received)

    async def count(self) -> int:
        return await self.handle.query(Receiver.received_count)

    async def end(self) -> None:
        await self.handle.signal(Receiver.end)
        await self.handle.result()


async def start_agreement(client: Client, **attributes: Any) -> Agreement:
    """Start a stand-in workflow with a new reference and keyword search attributes."""
    name = reference.new_reference()
    document_id = str(uuid4())
    pairs = [
        SearchAttributePair(SearchAttributeKey.for_keyword(key), value)
        for key, value in {"DocumentId": document_id, **attributes}.items()
    ]
    handle = await client.start_workflow(
        Receiver.run,
        id=reference.workflow_id(name),
        task_queue=QUEUE,
        search_attributes=TypedSearchAttributes(pairs),
    )
    mark = reference.marker(environment="development", namespace=client.namespace, reference=name)
    return Agreement(handle, document_id, reference.mark_title("Statement of Work", mark))
