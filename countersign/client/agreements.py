"""Ask, remind, void and decide for agreements from Python. Nothing here needs knowledge of Temporal.

Each function connects to Temporal by itself (as the environment says: `TEMPORAL_ADDRESS`, ...), once per
event loop; give it a `client` to use a connection of your own. Each raises a `CommandError` whose message is
one sentence for people.
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
from countersign.client.answers import ask_status, send_update
from countersign.client.connections import explained, shared_client
from countersign.client.errors import BadInputError, FailedAgreementError, UnreachableError
from countersign.client.recorded import recorded_input
from countersign.client.view import AgreementView
from countersign.client.waits import step_wait

_log = logging.getLogger(__name__)
_PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds before Temporal is asked again, after so many failures in a row."""


async def agreement_input(reference: str, *, client: Client | None = None) -> AgreementInput:
    """Tell what an agreement was started with.

    Args:
        reference: Its reference.
        client: A connection to use.

    Raises:
        BadInputError: It cannot be read with the keys of this process.
        UnknownAgreementError: There is none.
        UnreachableError: Temporal does not answer.
    """
    client = client or await shared_client()
    handle = await _handle(reference, client)
    async with explained(reference):
        return (await recorded_input(client, handle)).agreement


async def agreement_status(reference: str, *, client: Client | None = None) -> AgreementView:
    """Return where an agreement is.

    Args:
        reference: Its reference.
        client: A connection to use.

    Raises:
        UnknownAgreementError: There is none.
        UnreachableError: Temporal or every worker is out of reach.
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
                return AgreementView.of(status, provider_wait=await step_wait(client, described))
            if why := await _failure(handle, reference):
                return AgreementView.of(
                    status,
                    failure=why,
                    waiting_for=WaitingFor.NO_ONE,
                    ended_at=described.close_time,
                    next_check_at=None,
                    next_reminder_at=None,
                )


async def void_agreement(reference: str, reason: str, *, client: Client | None = None) -> None:
    """Void an agreement: its document is voided at the provider, and the agreement ends `voided`.

    Args:
        reference: Its reference.
        reason: Why; signers read it.
        client: A connection to use.

    Raises:
        BadInputError: The reason is empty or too long.
        RefusedError: The agreement has ended.
        UnknownAgreementError: There is none.
        NoWorkerError: No worker answers; nothing was asked for.
        UnreachableError: Temporal is out of reach, or the worker stopped meanwhile: the message tells whether
            that may still be done.
    """
    try:
        request = VoidRequest(reason=reason)
    except ValidationError:
        raise BadInputError("reason: 1 to 500 characters, which the signers will read") from None
    await _update(reference, "void", request, client)


async def remind_agreement(reference: str, *, client: Client | None = None) -> None:
    """Remind whoever has not signed, now.

    Args:
        reference: Its reference.
        client: A connection to use.

    Raises:
        RefusedError: It does not await signatures.
        UnknownAgreementError: There is none.
        UnreachableError: See `void_agreement`.
    """
    await _update(reference, "remind", None, client)


async def resolve_agreement(reference: str, resolution: Resolution, *, client: Client | None = None) -> None:
    """Decide for an agreement that needs attention.

    Args:
        reference: Its reference.
        resolution: What to do.
        client: A connection to use.

    Raises:
        RefusedError: It needs no decision, or not this one.
        UnknownAgreementError: There is none.
        UnreachableError: See `void_agreement`.
    """
    await _update(reference, "resolve", resolution, client)


async def agreement_result(reference: str, *, client: Client | None = None) -> AgreementResult:
    """Wait until an agreement ends, however long that takes, and return how.

    While Temporal does not answer, asks again after a pause of up to a minute.

    Args:
        reference: Its reference.
        client: A connection to use.

    Raises:
        FailedAgreementError: It failed without an outcome.
        UnknownAgreementError: There is none.
        UnreachableError: Temporal did not answer the first question.
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
            _log.warning("%s; asking again in %d s", error, pause)
            await asyncio.sleep(pause)


async def _handle(reference: str, client: Client | None) -> WorkflowHandle[Any, AgreementResult]:
    try:
        name = workflow_id(reference)
    except InvalidReferenceError as error:
        raise BadInputError(str(error)) from None
    client = client or await shared_client()
    return client.get_workflow_handle(name, result_type=AgreementResult)


async def _failure(handle: WorkflowHandle[Any, AgreementResult], reference: str) -> str | None:
    """Say why a closed agreement failed; None if it has not, and ended a moment ago."""
    try:
        async with explained(reference):
            await handle.result()
    except FailedAgreementError as failed:
        return failed.why
    return None


async def _update(reference: str, name: str, argument: BaseModel | None, client: Client | None) -> None:
    await send_update(await _handle(reference, client), reference, name, argument)
