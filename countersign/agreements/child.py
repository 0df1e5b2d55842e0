"""Run an agreement as a step of a workflow.

The parent may run in any worker and in any language: it starts `AgreementWorkflow` by name, on the task
queue of Countersign's workers. `docs/how-to/agreement-as-a-step.md` shows the same in TypeScript.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.exceptions import CancelledError as CanceledFailure
from temporalio.workflow import ActivityHandle, ChildWorkflowHandle, ParentClosePolicy

from countersign.agreements import search_attributes
from countersign.agreements.failures import CANCELED, STOPPED, is_nothing_sent, provider_message
from countersign.agreements.messages import AgreementInput, AgreementResult
from countersign.agreements.names import AWAIT_AGREEMENT, TASK_QUEUE, WORKFLOW_NAME
from countersign.agreements.reference import workflow_id

_ATTEMPT: Final = timedelta(seconds=60)
_STILL_RUNNING: Final = RetryPolicy(backoff_coefficient=1.2, maximum_interval=timedelta(hours=1))
"""A result is at most a fifth of the time waited late, and an hour. An attempt is one billable action."""


class AgreementFailedError(ApplicationError):
    """An agreement ended without an outcome. Uncaught, it fails the parent with the same type and message.

    Args:
        message: One sentence that is safe to log.
        details: The details of the agreement's own failure.
        type: A type of `countersign.agreements.failures`.

    Attributes:
        nothing_sent: Whether no signer has got a document; then the reference is free again.
        provider_message: The provider's own words, which may name people; None if it gave none.
    """

    def __init__(self, message: str, *details: Any, type: str) -> None:  # noqa: A002  # as in the base class
        super().__init__(message, *details, type=type)
        self.nothing_sent: bool = is_nothing_sent(type, details)
        self.provider_message: str | None = provider_message(details)


async def run_agreement(
    agreement: AgreementInput, *, account: str | None = None, task_queue: str = TASK_QUEUE
) -> AgreementResult:
    """Run an agreement as a child workflow, and return its result.

    The reference decides which agreement it is: a parent that retries or continues as new, or another
    workflow with the same agreement, gets the result of the one that runs or has ended. An agreement that
    failed before anything was sent runs again.

    Cancelling the parent voids the document; the call ends once the provider has confirmed that. If all have
    signed meanwhile, the call returns the result, and the parent has to decide. A parent that fails or is
    terminated leaves its agreement running, so that its next run finds it: void it with
    `countersign void REFERENCE`.

    Args:
        agreement: The agreement. Make its reference from the parent's own key, such as the order number.
        account: The account at a provider, in place of the agreement's own.
        task_queue: The task queue of Countersign's workers, their `COUNTERSIGN_TASK_QUEUE`.

    Raises:
        AgreementFailedError: It ended without an outcome; `type` is one of `countersign.agreements.failures`:
            for example `BadInput`, `Rejected`, `ReferenceUsed` (the reference belongs to another agreement),
            `Canceled` (an operator canceled the workflow; the document is void) or `Stopped` (the workflow
            was terminated; signers may have the document).
        asyncio.CancelledError: The parent was cancelled, and the agreement is voided.
    """
    if account is not None:
        agreement = agreement.model_copy(update={"account": account})
    is_cancelled = False
    for reuse in (WorkflowIDReusePolicy.REJECT_DUPLICATE, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY):
        starting = asyncio.ensure_future(_start_child(agreement, task_queue, reuse))
        try:
            # The SDK gives a start up when the parent is cancelled: the child would never hear of it.
            try:
                child = await asyncio.shield(starting)
            except asyncio.CancelledError:
                is_cancelled = True
                child = await starting
            if is_cancelled:
                child.cancel()
            return AgreementResult.model_validate(await child)
        except ChildWorkflowError as error:
            raise _failure(error) from error
        except WorkflowAlreadyStartedError:
            try:
                existing = await _await_existing(agreement, task_queue, is_cancelled=is_cancelled)
                return AgreementResult.model_validate(existing)
            except ActivityError as error:
                failure = _failure(error)
                again = isinstance(failure, AgreementFailedError) and failure.nothing_sent
                if not again or reuse is WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY:
                    raise failure from error
    raise AssertionError  # the last turn returns or raises


async def _start_child(
    agreement: AgreementInput, task_queue: str, reuse: WorkflowIDReusePolicy
) -> ChildWorkflowHandle[Any, Any]:
    return await workflow.start_child_workflow(
        WORKFLOW_NAME,
        _as_json(agreement),
        id=workflow_id(agreement.reference),
        task_queue=task_queue,
        id_reuse_policy=reuse,
        # Temporal applies the policy also when the parent retries or continues as new.
        parent_close_policy=ParentClosePolicy.ABANDON,
        static_summary=agreement.title,
        memo=None if agreement.initiated_by is None else {"initiated_by": agreement.initiated_by},
        search_attributes=search_attributes.at_start(agreement.account, agreement.deadline),
    )


async def _await_existing(agreement: AgreementInput, task_queue: str, *, is_cancelled: bool) -> Any:
    """Wait for an agreement that is no child of this run; a cancellation is passed on to it."""
    if not is_cancelled:
        try:
            return await _start_awaiting(agreement, task_queue)
        except (ActivityError, asyncio.CancelledError) as error:
            if not (is_cancelled_exception(error) and _is_cancelled()):
                raise
    with suppress(ApplicationError):  # it has ended meanwhile
        await workflow.get_external_workflow_handle(workflow_id(agreement.reference)).cancel()
    return await _start_awaiting(agreement, task_queue)


def _start_awaiting(agreement: AgreementInput, task_queue: str) -> ActivityHandle[Any]:
    """Schedule the activity that ends when the agreement has; between its attempts it takes no slot."""
    return workflow.start_activity(
        AWAIT_AGREEMENT,
        _as_json(agreement),
        task_queue=task_queue,
        start_to_close_timeout=_ATTEMPT,
        retry_policy=_STILL_RUNNING,
        summary=f"await {agreement.reference}",
    )


def _as_json(agreement: AgreementInput) -> dict[str, Any]:
    """Return the agreement as JSON, which a parent without the pydantic data converter encodes, too."""
    return agreement.model_dump(mode="json")


def _failure(error: ActivityError | ChildWorkflowError) -> AgreementFailedError | asyncio.CancelledError:
    """Return how an agreement failed, as the parent's own failure."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if cause.type == CANCELED and _is_cancelled():
            return asyncio.CancelledError()
        return AgreementFailedError(cause.message, *cause.details, type=cause.type or STOPPED)
    if not isinstance(cause, CanceledFailure):
        return AgreementFailedError("the agreement was terminated or timed out in Temporal", type=STOPPED)
    if _is_cancelled():
        return asyncio.CancelledError()
    return AgreementFailedError("the agreement was canceled in Temporal and voided", type=CANCELED)


def _is_cancelled() -> bool:
    """Whether the caller's task was cancelled: by the parent's cancellation, or by the parent's own code."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
