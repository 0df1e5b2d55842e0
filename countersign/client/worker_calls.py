"""Queries and updates of an agreement, with time limits.

Temporal keeps an update that no worker has accepted in memory. After the client gives up, a worker that
starts later may still execute it. So `send_update` first queries the status, which changes nothing, and sends
the update only if a worker responds.
"""

import asyncio
from datetime import timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from temporalio.client import (
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import QueryRejectCondition
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.messages import AgreementStatus
from countersign.client.connections import explained
from countersign.client.errors import (
    START_WORKER,
    NoWorkerError,
    RefusedError,
    StuckAgreementError,
    UnreachableError,
)
from countersign.client.stuck import STUCK_ATTEMPT, explain_stuck, is_stuck

T = TypeVar("T")

_QUERY_TIMEOUT: Final = timedelta(seconds=15)
"""Longer than the ten seconds after which Temporal repeats a dead worker's task, for which queries wait."""
_UPDATE_TIMEOUT: Final = timedelta(seconds=60)
"""Longer, because the worker asks the provider about a document that it adopts."""

_TOO_LATE: Final = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""The codes of the server and of the client for a request that timed out."""
_CLOSED: Final = "AcceptedUpdateCompletedWorkflow"
"""The server's failure of an update that a run accepted and did not complete before it ended."""
_NO_WORKER: Final = (
    f"no worker responds: {START_WORKER}, or check why your worker is blocked; nothing is lost meanwhile"
)


async def ask_status(
    handle: WorkflowHandle[Any, Any], reference: str, reject: QueryRejectCondition = QueryRejectCondition.NONE
) -> AgreementStatus:
    """Query the status of an agreement, unless it is stuck, because then no worker responds.

    Args:
        handle: The agreement's workflow.
        reference: The agreement's reference, for messages.
        reject: The workflow states that reject the query.

    Raises:
        NoWorkerError: No worker responds.
        RefusedError: The workflow's state rejects the query.
        StuckAgreementError: The agreement's workflow task keeps failing.
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: Temporal does not respond, or the worker cannot.
    """
    async with explained(reference):
        await _check_not_stuck(handle, reference, STUCK_ATTEMPT)
        try:
            return await ask(handle, reference, "status", AgreementStatus, reject)
        except NoWorkerError:
            await _check_not_stuck(handle, reference, 2)  # also raises if Temporal does not respond
            raise


async def ask(
    handle: WorkflowHandle[Any, Any],
    subject: str,
    query: str,
    result_type: type[T],
    reject: QueryRejectCondition = QueryRejectCondition.NONE,
) -> T:
    """Query a workflow.

    Args:
        handle: The workflow.
        subject: What it is about, for messages.
        query: The query's name.
        result_type: The type of its result.
        reject: The workflow states that reject the query.

    Raises:
        NoWorkerError: No worker responds.
        RefusedError: The workflow's state rejects the query.
        RPCError: There is no such workflow, or Temporal refuses.
        UnreachableError: The worker cannot respond.
    """
    try:
        result: T = await handle.query(
            query, result_type=result_type, reject_condition=reject, rpc_timeout=_QUERY_TIMEOUT
        )
    except WorkflowQueryRejectedError:
        raise RefusedError(f"{subject} has already ended: see `status {subject}`") from None
    except WorkflowQueryFailedError as error:  # the worker runs incompatible code
        raise _unable(subject, str(error)) from None
    except RPCError as error:
        if error.status == RPCStatusCode.FAILED_PRECONDITION and "poller" not in error.message:
            raise _unable(subject, error.message) from None
        if error.status not in _TOO_LATE | {RPCStatusCode.FAILED_PRECONDITION}:
            raise
        raise NoWorkerError(f"{subject}: {_NO_WORKER}") from None
    return result


async def send_update(
    handle: WorkflowHandle[Any, Any], reference: str, update: str, argument: BaseModel | None
) -> None:
    """Send an update to an agreement and wait for its completion.

    Args:
        handle: The agreement's workflow.
        reference: The agreement's reference, for messages.
        update: The update's name.
        argument: The update's argument, if it has one.

    Raises:
        NoWorkerError: No worker responds; the update was not sent.
        StuckAgreementError: The agreement's workflow task keeps failing; the update was not sent.
        RefusedError: The agreement has ended, or its state does not allow the update.
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: Temporal does not respond, or the worker does not in time; the message states
            whether the worker may still execute the update.
    """
    while True:
        try:
            await ask_status(handle, reference, QueryRejectCondition.NOT_OPEN)
        except (NoWorkerError, StuckAgreementError) as error:
            raise type(error)(f"{error}; `{update}` was not requested") from None
        if await _sent_update(handle, reference, update, argument):
            return


async def _sent_update(
    handle: WorkflowHandle[Any, Any], reference: str, update: str, argument: BaseModel | None
) -> bool:
    """Send an update; return False if the run closed before it accepted the update, which is then void.

    The agreement has ended, or goes on in a new run.
    """
    try:
        async with explained(reference), asyncio.timeout(_UPDATE_TIMEOUT.total_seconds()):
            try:
                await handle.execute_update(update, args=[] if argument is None else [argument])
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                raise
            except WorkflowUpdateFailedError as error:
                if isinstance(error.cause, ApplicationError) and error.cause.type == _CLOSED:
                    raise RefusedError(
                        f"{reference} ended before it had done `{update}`: see `status {reference}`"
                    ) from None
                raise
            return True
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        if (task := asyncio.current_task()) and task.cancelling():  # the SDK reports Ctrl-C as a time-out
            raise asyncio.CancelledError from None
        raise UnreachableError(
            f"{reference}: the worker did not respond in time and may still execute `{update}`; it is "
            f"blocked or waits for the provider: see `status {reference}`"
        ) from None


async def _check_not_stuck(handle: WorkflowHandle[Any, Any], reference: str, attempt: int) -> None:
    described = await handle.describe(rpc_timeout=_QUERY_TIMEOUT)
    if is_stuck(described, attempt=attempt):
        raise StuckAgreementError(await explain_stuck(handle, described, reference))


def _unable(reference: str, why: str) -> UnreachableError:
    first = why.partition("\n")[0]
    return UnreachableError(
        f"{reference}: its worker cannot respond: {first} Retrying is safe; the worker's log has details"
    )
