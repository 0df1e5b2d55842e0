"""Callbacks: an agreement's events go out through `CallbackWorkflow`s, for which it does not wait.

One coroutine beside the main one compares the state with what was called back about. It issues commands only
if the claim says that somebody is called back: the histories of all other agreements are as they were.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from pydantic import Field, ValidationError
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from countersign.agreements.callbacks import (
    CALLBACK_WORKFLOW,
    CALLER,
    CallbackData,
    CallbackEvent,
    CallbackRequest,
    CallbackType,
    callback_name,
    event_id,
)
from countersign.agreements.failures import callbacks_in
from countersign.agreements.messages import AgreementInput, Message, Metadata
from countersign.workflow.failures import cause_of
from workflows.agreement.state import AgreementState

_REFERENCE: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{2,39}$"


class DueCallback(NamedTuple):
    """An event that was not called back about.

    Args:
        type: What happened.
        number: The number of the signer or, if the agreement needs attention, how often it has.
        attention: What needs attention, in a form that tells two causes apart.
    """

    type: CallbackType
    number: int | None = None
    attention: str | None = None

    @property
    def key(self) -> str:
        """What tells it from the agreement's other events."""
        return self.type if self.number is None else f"{self.type}-{self.number}"


class _Addressee(Message):
    """Who is called back, and about what, as far as an input that is otherwise unreadable says it."""

    reference: str = Field(pattern=_REFERENCE)
    callback_url: str | None = None
    callback_secret_key: str | None = None
    metadata: Metadata = Field(default={})


def due_callbacks(state: AgreementState, failure: str | None = None) -> list[DueCallback]:
    """List the events that were not called back about; empty if no one is called back.

    Args:
        state: The agreement.
        failure: The type of the failure that ends it.
    """
    if not state.carried.callbacks:
        return []
    known = state.carried.called_back
    return [due for due in _events(state, failure) if due.key not in known]


def _events(state: AgreementState, failure: str | None) -> Iterator[DueCallback]:
    if state.progress.document_id is not None and not state.in_review():
        yield DueCallback(CallbackType.SENT)
    signers = len(state.agreement.signers)
    for number, recipient in enumerate(state.progress.recipients[:signers], 1):
        if recipient.viewed_at is not None:
            yield DueCallback(CallbackType.VIEWED, number)
        if recipient.signed_at is not None:
            yield DueCallback(CallbackType.SIGNED, number)
    if (attention := _attention(state)) not in {None, state.carried.attention_called_back}:
        times = sum(key.startswith(CallbackType.NEEDS_ATTENTION) for key in state.carried.called_back)
        yield DueCallback(CallbackType.NEEDS_ATTENTION, times + 1, attention)
    if state.result is not None:
        yield DueCallback(CallbackType(f"agreement.{state.result.outcome}"))
    elif failure is not None:
        yield DueCallback(CallbackType.FAILED)


def _attention(state: AgreementState) -> str | None:
    """Tell what needs attention from what needed it before: an hourly retry of the same is nothing new."""
    sentence = state.attention()
    if sentence is None:
        return None
    parts = (sentence, str(state.carried.sends), *sorted(state.carried.dismissed | state.unresolved()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


class Callbacks:
    """Call back about an agreement's events until the block ends, then about its end.

    Args:
        state: The agreement.
    """

    def __init__(self, state: AgreementState) -> None:
        self._state = state
        self._failure: str | None = None
        self._is_over = False

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_evicted = isinstance(error, asyncio.CancelledError | GeneratorExit)
        if is_evicted or not self._state.carried.callbacks:
            self._work.cancel()
            return
        if isinstance(error, ApplicationError):
            self._failure = error.type
        self._is_over = True
        await self._work

    async def _run(self) -> None:
        while not self._is_over or self._due():
            await workflow.wait_condition(lambda: self._is_over or bool(self._due()))
            await asyncio.gather(*map(self._start, self._due()))

    def _due(self) -> list[DueCallback]:
        return due_callbacks(self._state, self._failure)

    async def _start(self, due: DueCallback) -> None:
        state = self._state
        result = state.result if due.type == f"agreement.{state.result and state.result.outcome}" else None
        data = CallbackData(
            reference=state.agreement.reference,
            document_id=state.progress.document_id,
            signer=due.number if due.type in {CallbackType.VIEWED, CallbackType.SIGNED} else None,
            outcome=result and result.outcome,
            resolved_by=result and result.resolved_by,
            error=self._failure if due.type is CallbackType.FAILED else None,
            metadata=state.agreement.metadata,
        )
        await _call_back(
            state.agreement, state.carried.callbacks, due, data, time_scale=state.carried.time_scale
        )
        changed: dict[str, Any] = {"called_back": state.carried.called_back | {due.key}}
        if due.attention is not None:
            changed["attention_called_back"] = due.attention
        state.carry(**changed)


def callbacks_of_refused(state: AgreementState, error: ActivityError | ApplicationError) -> tuple[str, ...]:
    """Return who is called back about a claim that failed; if it timed out, the caller alone is known."""
    cause = cause_of(error)
    known = callbacks_in(cause.details) if isinstance(cause, ApplicationError) else None
    if known is None:
        return () if state.agreement.callback_url is None else (CALLER,)
    return known


async def report_unreadable(payloads: Sequence[Any], failure: ApplicationError) -> None:
    """Call the caller back about an input that cannot be read, if a reference and a URL can be."""
    try:
        (raw,) = payloads
        addressee = _Addressee.model_validate_json(raw.payload.data)
    except (ValueError, ValidationError):  # also if there is more than one payload
        return
    if addressee.callback_url is not None:
        data = CallbackData(reference=addressee.reference, error=failure.type, metadata=addressee.metadata)
        await _call_back(addressee, (CALLER,), DueCallback(CallbackType.FAILED), data)


async def _call_back(
    addressee: AgreementInput | _Addressee,
    targets: tuple[str, ...],
    due: DueCallback,
    data: CallbackData,
    *,
    time_scale: float = 1,
) -> None:
    """Start the workflow that delivers an event; a workflow that was reset finds it started."""
    run_id = workflow.info().first_execution_run_id
    name = callback_name(addressee.reference, run_id, due.type, due.number)
    is_caller = CALLER in targets
    request = CallbackRequest(
        event=CallbackEvent(type=due.type, timestamp=workflow.now(), data=data),
        event_id=event_id(name),
        targets=targets,
        url=addressee.callback_url if is_caller else None,
        secret_key=addressee.callback_secret_key if is_caller else None,
        time_scale=time_scale,
    )
    try:
        child = await workflow.start_child_workflow(
            CALLBACK_WORKFLOW,
            request,
            id=name.workflow_id,
            parent_close_policy=ParentClosePolicy.ABANDON,
            cancellation_type=ChildWorkflowCancellationType.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"{due.key} of {addressee.reference}",
        )
    except WorkflowAlreadyStartedError:
        return
    child.add_done_callback(_ignore_end)


def _ignore_end(child: asyncio.Task[Any]) -> None:
    """Take the child's failure, which would be logged as never retrieved."""
    if not child.cancelled():
        child.exception()
