"""Functions that read, remind, void and resolve a running agreement.

Every function uses `client`, or else one connection per event loop that the environment configures
(`TEMPORAL_ADDRESS`, ...). Every function raises a `CommandError`; its message is one sentence for people.
"""

import asyncio
import logging
from itertools import chain, repeat
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    Resolution,
    VoidRequest,
    WaitingFor,
)
from countersign.agreements.reference import InvalidReferenceError, workflow_id
from countersign.client.connections import explained, shared_client
from countersign.client.errors import BadInputError, FailedAgreementError, UnreachableError
from countersign.client.history import recorded_input
from countersign.client.view import AgreementView
from countersign.client.waits import step_wait
from countersign.client.worker_calls import ask_status, send_update

_log = logging.getLogger(__name__)
_PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds before the next attempt, by number of consecutive failures; the last one repeats."""


async def agreement_input(reference: str, *, client: Client | None = None) -> AgreementInput:
    """Return the input that an agreement was started with.

    Args:
        reference: The agreement's reference.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: This process cannot decrypt or parse the input.
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    handle = await _handle(reference, client)
    async with explained(reference):
        return (await recorded_input(client, handle)).agreement


async def agreement_status(reference: str, *, client: Client | None = None) -> AgreementView:
    """Return the status of an agreement.

    Args:
        reference: The agreement's reference.
        client: A connection to use; by default a shared one.

    Raises:
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: Temporal or all workers are unreachable.
    """
    handle = await _handle(reference, client)
    client = client or await shared_client()
    async with explained(reference):
        while True:
            status = await ask_status(handle, reference)
            if status.result is not None:
                return AgreementView.of(status)
            described = await handle.describe()
            if described.status == WorkflowExecutionStatus.RUNNING:
                wait = await step_wait(client, described)
                return AgreementView.of(
                    status,
                    provider_wait=wait.why if wait else None,
                    provider_message=(wait and wait.provider_message) or status.provider_message,
                )
            if failed := await _failure(handle, reference):
                return AgreementView.of(
                    status,
                    failure=failed.why,
                    provider_message=failed.provider_message,
                    waiting_for=WaitingFor.NO_ONE,
                    ended_at=described.close_time,
                    next_check_at=None,
                    next_reminder_at=None,
                )


async def void_agreement(reference: str, reason: str, *, client: Client | None = None) -> None:
    """Void an agreement: the worker voids the document, and the agreement ends `voided`.

    Args:
        reference: The agreement's reference.
        reason: The reason, which signers read: 1 to 500 characters.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: The reason is empty or too long.
        RefusedError: The agreement has ended.
        UnknownAgreementError: No agreement has this reference.
        NoWorkerError: No worker responds; nothing was requested.
        UnreachableError: Temporal is unreachable, or the worker stopped during the call; the message states
            whether the worker may still void the agreement.
    """
    try:
        request = VoidRequest(reason=reason)
    except ValidationError:
        raise BadInputError("reason: write 1 to 500 characters; the signers read them") from None
    await _update(reference, "void", request, client)


async def remind_agreement(reference: str, *, client: Client | None = None) -> None:
    """Remind the signers who have not signed, now.

    Args:
        reference: The agreement's reference.
        client: A connection to use; by default a shared one.

    Raises:
        RefusedError: The agreement does not await signatures.
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: See `void_agreement`.
    """
    await _update(reference, "remind", None, client)


async def resolve_agreement(reference: str, resolution: Resolution, *, client: Client | None = None) -> None:
    """Decide for an agreement that needs attention.

    Args:
        reference: The agreement's reference.
        resolution: The decision.
        client: A connection to use; by default a shared one.

    Raises:
        RefusedError: The agreement needs no decision, or another one.
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: See `void_agreement`.
    """
    await _update(reference, "resolve", resolution, client)


async def agreement_result(reference: str, *, client: Client | None = None) -> AgreementResult:
    """Wait without a time limit until an agreement ends, and return its result.

    If Temporal does not respond later, retries after a pause of at most one minute.

    Args:
        reference: The agreement's reference.
        client: A connection to use; by default a shared one.

    Raises:
        FailedAgreementError: The agreement failed without an outcome.
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: Temporal did not respond to the first request.
    """
    handle = await _handle(reference, client)
    async with explained(reference):
        await handle.describe()
    pauses = chain(_PAUSES, repeat(_PAUSES[-1]))
    while True:
        try:
            async with explained(reference):
                result: AgreementResult = await handle.result()
                return result
        except UnreachableError as error:
            pause = next(pauses)
            _log.warning("%s; retrying in %d s", error, pause)
            await asyncio.sleep(pause)


async def _handle(reference: str, client: Client | None) -> WorkflowHandle[Any, AgreementResult]:
    try:
        name = workflow_id(reference)
    except InvalidReferenceError as error:
        raise BadInputError(str(error)) from None
    client = client or await shared_client()
    return client.get_workflow_handle(name, result_type=AgreementResult)


async def _failure(
    handle: WorkflowHandle[Any, AgreementResult], reference: str
) -> FailedAgreementError | None:
    """Return how a closed agreement failed; None if it has just ended with a result."""
    try:
        async with explained(reference):
            await handle.result()
    except FailedAgreementError as failed:
        return failed
    return None


async def _update(reference: str, name: str, argument: BaseModel | None, client: Client | None) -> None:
    await send_update(await _handle(reference, client), reference, name, argument)
