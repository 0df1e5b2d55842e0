"""Start agreements in a test, act as the webhook receiver, and read what became of them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper, TimeSkippingConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from countersign.agreements import search_attributes
from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    LinkSource,
    Signer,
    Stage,
)
from countersign.agreements.names import DEFAULT_ACCOUNT, SIGNATURE_EVENT, TASK_QUEUE, WORKFLOW_NAME
from countersign.agreements.reference import workflow_id
from countersign.client.outcome import await_agreement
from countersign.testing.server import start_temporal
from countersign.testing.stand_in import StandInAgreementWorkflow

T = TypeVar("T")
AgreementHandle = WorkflowHandle[Any, AgreementResult]

_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.2
"""Seconds between two questions: each costs a task of the workflow."""


def an_agreement(**changes: Any) -> AgreementInput:
    """Make a valid agreement with two signers and a random reference.

    Args:
        changes: Fields of `AgreementInput` that differ.

    Raises:
        pydantic.ValidationError: A field has a value that no agreement may have.
    """
    given = {
        "reference": f"t-{uuid.uuid4().hex[:12]}",
        "title": "Statement of Work",
        "source": LinkSource(url="https://files.example.com/contract.pdf"),
        "signers": (
            Signer(name="Ada Lovelace", email="ada@example.com"),
            Signer(name="Grace Hopper", email="grace@example.com"),
        ),
    }
    return AgreementInput.model_validate(given | changes)


async def eventually(
    ask: Callable[[], Awaitable[T]], is_true: Callable[[T], bool], *, patience: float = 20
) -> T:
    """Ask until the response is as wanted, and return it: every 20 ms at first, then every 200 ms.

    Args:
        ask: Asks once.
        is_true: Whether a response is the wanted one.
        patience: Seconds to ask for.

    Raises:
        TimeoutError: No response was as wanted in time.
    """
    pause = _FIRST_PAUSE
    async with asyncio.timeout(patience):
        while not is_true(response := await ask()):  # another process sets no event
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, _LONGEST_PAUSE)
        return response


@dataclass
class Office:
    """Agreements of one task queue, as a test sees them.

    Args:
        client: Starts workflows whose clock is real.
        time: Skips the time of workflows that its own client started.
        task_queue: The queue of the worker that runs agreements.
        patience: Seconds that each `until...` waits at most.
    """

    client: Client
    time: TimeSkipper
    task_queue: str
    patience: float = 20.0

    def handle(self, reference: str) -> AgreementHandle:
        """Return the handle of an agreement that a workflow or a service has started."""
        return self.client.get_workflow_handle(workflow_id(reference), result_type=AgreementResult)

    async def start(
        self,
        agreement: AgreementInput | None = None,
        *,
        skipping: bool = False,
        task_queue: str | None = None,
    ) -> AgreementHandle:
        """Start an agreement.

        Args:
            agreement: What to start; by default `an_agreement()`.
            skipping: Let its clock run ahead while nothing is in flight.
            task_queue: Another queue than the office's.
        """
        agreement = agreement or an_agreement()
        client = self.time.client if skipping else self.client
        return await client.start_workflow(
            WORKFLOW_NAME,
            agreement,
            id=workflow_id(agreement.reference),
            task_queue=task_queue or self.task_queue,
            result_type=AgreementResult,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=search_attributes.at_start(
                agreement.account or DEFAULT_ACCOUNT, agreement.deadline
            ),
        )

    async def skip(self, handle: WorkflowHandle[Any, Any], duration: timedelta) -> None:
        """Let a workflow's clock run ahead."""
        await self.time.fast_forward(handle, duration)

    async def eventually(self, ask: Callable[[], Awaitable[T]], is_true: Callable[[T], bool]) -> T:
        """Ask until the response is as wanted; see the function `eventually`."""
        return await eventually(ask, is_true, patience=self.patience)

    async def status(self, handle: AgreementHandle) -> AgreementStatus:
        """Return the status, as soon as the workflow can be queried."""
        async with asyncio.timeout(self.patience):
            while True:
                try:
                    status: AgreementStatus = await handle.query("status", result_type=AgreementStatus)
                except RPCError as error:  # it was not started yet, or has just continued as new
                    if "not scheduled yet" not in error.message and "not found" not in error.message:
                        raise
                    await asyncio.sleep(0.02)
                else:
                    return status

    async def until(
        self, handle: AgreementHandle, is_true: Callable[[AgreementStatus], bool]
    ) -> AgreementStatus:
        """Wait until an agreement's status is as wanted."""
        return await self.eventually(lambda: self.status(handle), is_true)

    async def until_stage(self, handle: AgreementHandle, stage: Stage) -> AgreementStatus:
        """Wait until an agreement is in a stage."""
        return await self.until(handle, lambda status: status.stage is stage)

    async def sent(self, handle: AgreementHandle) -> str:
        """Wait until the document is sent, and return its id."""
        status = await self.until(handle, lambda status: status.document_id is not None)
        return str(status.document_id)

    async def deliver_event(
        self, handle: AgreementHandle, kind: str, document_id: str | None, **more: Any
    ) -> None:
        """Signal an event as the webhook receiver does.

        Args:
            handle: The agreement.
            kind: An `EventKind`, or any other text.
            document_id: The document that the event is about.
            more: Other fields of `SignatureEvent`.
        """
        event = SignatureEvent(
            event_id=more.pop("event_id", f"evt_{uuid.uuid4().hex}"),
            kind=kind,
            document_id=document_id,
            occurred_at=datetime.now(UTC).isoformat(),
            **more,
        )
        await handle.signal(SIGNATURE_EVENT, event)

    async def end(self, reference: str, kind: EventKind = EventKind.COMPLETED) -> None:
        """Wait until an agreement awaits its signatures, then end it with an event.

        Args:
            reference: The agreement's.
            kind: `COMPLETED`, `VOIDED`, `DECLINED` or `EXPIRED`.
        """
        handle = self.handle(reference)
        await self.deliver_event(handle, kind, await self.sent(handle))

    async def resolve(self, handle: AgreementHandle, action: str, document_id: str | None = None) -> None:
        """Decide as a person does about a send whose outcome is unknown."""
        await handle.execute_update("resolve", {"action": action, "document_id": document_id})

    async def result(self, handle: AgreementHandle) -> AgreementResult:
        """Wait for the result."""
        async with asyncio.timeout(self.patience):
            return await handle.result()


@asynccontextmanager
async def open_office(*, task_queue: str = TASK_QUEUE) -> AsyncIterator[Office]:
    """Run a Temporal server and a stand-in for the agreement worker until the block ends.

    The stand-in keeps the contract (input, status, events, void, result) and calls no provider: an agreement
    awaits its signatures until `Office.end` or an event ends it. It archives nothing.

    Args:
        task_queue: The queue on which callers start agreements.

    Yields:
        The office; run your own worker with `office.client`.
    """
    async with (
        start_temporal() as environment,
        Worker(
            environment.client,
            task_queue=task_queue,
            workflows=[StandInAgreementWorkflow],
            activities=[await_agreement],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        client = environment.client
        time = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
        yield Office(client, time, task_queue)
