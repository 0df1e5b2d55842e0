"""Ask and tell an agreement what only its worker can answer, with a limit to how long one waits for that.

Temporal's server keeps an update that no worker has seen in memory: given up by us, it may still be carried
out when a worker comes. So a worker is asked for the status first, which changes nothing, and told to do
something only if it answers.
"""

import asyncio
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from temporalio.client import (
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.messages import AgreementStatus
from countersign.client.connections import explained
from countersign.client.errors import NoWorkerError, RefusedError, StuckAgreementError, UnreachableError
from countersign.client.stuck import STUCK_ATTEMPT, explain_stuck, is_stuck

_ANSWER: Final = timedelta(seconds=10)
_DEED: Final = timedelta(seconds=60)
"""Longer: to adopt a document, the provider is asked about it."""

_TOO_LATE: Final = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""The server's words for a limit that has passed, and the client's."""
_NO_WORKER: Final = (
    "no worker answers: start one with `python worker.py`, or see why yours stands still; "
    "nothing is lost meanwhile"
)


async def ask_status(
    handle: WorkflowHandle[Any, Any], reference: str, reject: QueryRejectCondition = QueryRejectCondition.NONE
) -> AgreementStatus:
    """Ask an agreement's worker where it is, unless the agreement is stuck: then no query is answered.

    Args:
        handle: The agreement's workflow.
        reference: Its reference, for sentences.
        reject: Which agreements are not asked, since they cannot do what is wanted.

    Raises:
        NoWorkerError: No worker answers.
        RefusedError: The agreement is one of those that are not asked.
        StuckAgreementError: Its workflow task keeps failing.
        UnknownAgreementError: There is none.
        UnreachableError: Temporal does not answer, or the worker cannot.
    """
    async with explained(reference):
        await _check_not_stuck(handle, reference, STUCK_ATTEMPT)
        try:
            status: AgreementStatus = await handle.query(
                "status", result_type=AgreementStatus, reject_condition=reject, rpc_timeout=_ANSWER
            )
        except WorkflowQueryRejectedError:
            raise RefusedError(f"{reference} has ended already: see `status {reference}`") from None
        except WorkflowQueryFailedError as error:  # its worker runs code that does not fit
            raise _unable(reference, str(error)) from None
        except RPCError as error:
            if error.status == RPCStatusCode.FAILED_PRECONDITION and "poller" not in error.message:
                raise _unable(reference, error.message) from None
            if error.status not in _TOO_LATE | {RPCStatusCode.FAILED_PRECONDITION}:
                raise
        else:
            return status
        await _check_not_stuck(handle, reference, 2)  # raises too if it is Temporal that does not answer
        raise NoWorkerError(f"{reference}: {_NO_WORKER}")


async def send_update(
    handle: WorkflowHandle[Any, Any], reference: str, update: str, argument: BaseModel | None
) -> None:
    """Have an agreement's worker take in an update.

    Args:
        handle: The agreement's workflow.
        reference: Its reference, for sentences.
        update: The update's name.
        argument: What it takes, if anything.

    Raises:
        NoWorkerError: No worker answers; then nothing was asked of it.
        StuckAgreementError: The agreement's workflow task keeps failing; then nothing was asked of it.
        RefusedError: The agreement has ended, or cannot do that now.
        UnknownAgreementError: There is none.
        UnreachableError: Temporal does not answer; or the worker did not in time, and then the message says
            that the request may still be carried out.
    """
    try:
        await ask_status(handle, reference, QueryRejectCondition.NOT_OPEN)
    except (NoWorkerError, StuckAgreementError) as error:
        raise type(error)(f"{error}; `{update}` was not asked for") from None
    try:
        async with explained(reference), asyncio.timeout(_DEED.total_seconds()):
            await handle.execute_update(update, args=[] if argument is None else [argument])
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        if (own := asyncio.current_task()) and own.cancelling():  # the client takes Ctrl-C for its limit
            raise asyncio.CancelledError from None
        raise UnreachableError(
            f"{reference}: `{update}` may still be carried out, for it was not answered in time: its worker "
            f"stands still, or waits for the provider; see `status {reference}`"
        ) from None


async def _check_not_stuck(handle: WorkflowHandle[Any, Any], reference: str, attempt: int) -> None:
    described = await handle.describe(rpc_timeout=_ANSWER)
    if is_stuck(described, attempt=attempt):
        raise StuckAgreementError(await explain_stuck(handle, described, reference))


def _unable(reference: str, why: str) -> UnreachableError:
    first = why.partition("\n")[0]
    return UnreachableError(
        f"{reference}: its worker cannot answer: {first} Trying again is safe; the worker's log tells more"
    )
