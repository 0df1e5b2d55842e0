"""Functions that list and replay callbacks: the events of agreements that were called back about."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

from countersign.agreements.callbacks import (
    CALLBACK_WORKFLOW,
    CallbackRequest,
    callbacks_of,
    read_callback_name,
)
from countersign.agreements.reference import InvalidReferenceError, check_reference
from countersign.client.connections import explained, shared_client
from countersign.client.errors import BadInputError, UnknownAgreementError
from countersign.configuration import SettingsError

_PAGE: Final = 1000
_MOST_ASKED: Final = 100

CallbackState = Literal["pending", "delivered", "failed"]


class ListedCallback(BaseModel):
    """An event that was called back about.

    Args:
        reference: The agreement's reference, in lower case.
        event: The event without `agreement.`, numbered if there may be several: `sent`, `signed-2`.
        state: `pending` while it is repeated, `delivered` if every receiver has accepted it, else `failed`.
        started_at: When the event happened, or was replayed.
        ended_at: When it was delivered or given up; None while it is pending.
        failure: Why it was given up, for at most 100 callbacks; None if that is not known.
        workflow_id: The id of its workflow in Temporal.
        run_id: The id of that workflow's run.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    event: str
    state: CallbackState
    started_at: datetime
    ended_at: datetime | None = None
    failure: str | None = None
    workflow_id: str
    run_id: str


async def list_callbacks(
    reference: str | None = None,
    *,
    undelivered: bool = False,
    limit: int = 1000,
    client: Client | None = None,
) -> list[ListedCallback]:
    """Return callbacks, the newest first, each as it was delivered or replayed last.

    Args:
        reference: Only those of this agreement.
        undelivered: Only those that are pending or failed.
        limit: The maximum number of callbacks.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: The reference is invalid.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    found: list[ListedCallback] = []
    known: set[str] = set()
    async with explained("callbacks"):
        async for workflow in client.list_workflows(_query(reference), page_size=_PAGE):
            listed = _listed(workflow)
            if listed is None or (reference and listed.reference != reference.lower()):
                continue
            is_latest = listed.workflow_id not in known  # a replay is newer than what it repeats
            known.add(listed.workflow_id)
            if is_latest and not (undelivered and listed.state == "delivered"):
                found.append(listed)
            if len(found) == limit:
                break
    return await _with_failures(client, found)


async def replay_callbacks(
    reference: str, event: str | None = None, *, client: Client | None = None
) -> list[ListedCallback]:
    """Deliver events of an agreement again, now, with the same `webhook-id`.

    Args:
        reference: The agreement's reference.
        event: The event as `list_callbacks` names it, whatever became of it; by default all that were not
            delivered.
        client: A connection to use; by default a shared one.

    Returns:
        What was replayed, as it was before.

    Raises:
        BadInputError: The reference is invalid, or this process cannot read the callback.
        UnknownAgreementError: The agreement has no such callback.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    known = await list_callbacks(reference, client=client)
    if event is None:
        chosen = [callback for callback in known if callback.state != "delivered"]
    else:
        chosen = [callback for callback in known if callback.event == event.removeprefix("agreement.")]
    if not known or (event is not None and not chosen):
        raise UnknownAgreementError(
            f"{reference}: no {'such ' if known else ''}callback; `callbacks list` shows what there is"
        )
    async with explained(reference):
        for callback in chosen:
            await _replay(client, callback)
    return chosen


async def _replay(client: Client, callback: ListedCallback) -> None:
    handle = client.get_workflow_handle(callback.workflow_id, run_id=callback.run_id)
    first = await anext(handle.fetch_history_events(page_size=1))
    started = first.workflow_execution_started_event_attributes
    try:
        (request,) = await client.data_converter.decode(started.input.payloads, [CallbackRequest])
        request = CallbackRequest.model_validate(request)
    except (ValueError, SettingsError, ApplicationError):  # the last two: the encryption key is missing
        raise BadInputError(
            f"{callback.workflow_id}: this process cannot read it: check COUNTERSIGN_ENCRYPTION_KEYS"
        ) from None
    await client.start_workflow(
        CALLBACK_WORKFLOW,
        request.model_copy(update={"was_delivered": request.was_delivered or callback.state == "delivered"}),
        id=callback.workflow_id,
        task_queue=started.task_queue.name,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        static_summary=f"{callback.event} of {request.event.data.reference}, replayed",
    )


def _query(reference: str | None) -> str:
    conditions = [f'WorkflowType = "{CALLBACK_WORKFLOW}"']
    if reference is not None:
        try:
            check_reference(reference)
        except InvalidReferenceError as error:
            raise BadInputError(str(error)) from None
        conditions.append(f'WorkflowId STARTS_WITH "{callbacks_of(reference)}"')
    return " and ".join(conditions)


def _listed(workflow: WorkflowExecution) -> ListedCallback | None:
    name = read_callback_name(workflow.id)
    if name is None:
        return None
    state: CallbackState = "failed"
    if workflow.status is WorkflowExecutionStatus.RUNNING:
        state = "pending"
    elif workflow.status is WorkflowExecutionStatus.COMPLETED:
        state = "delivered"
    return ListedCallback(
        reference=name.reference,
        event=name.event,
        state=state,
        started_at=workflow.start_time,
        ended_at=workflow.close_time,
        workflow_id=workflow.id,
        run_id=workflow.run_id,
    )


async def _with_failures(client: Client, callbacks: Sequence[ListedCallback]) -> list[ListedCallback]:
    failed = [callback for callback in callbacks if callback.state == "failed"][:_MOST_ASKED]
    reasons = await asyncio.gather(*(_failure(client, callback) for callback in failed))
    known = {callback.run_id: reason for callback, reason in zip(failed, reasons, strict=True)}
    return [callback.model_copy(update={"failure": known.get(callback.run_id)}) for callback in callbacks]


async def _failure(client: Client, callback: ListedCallback) -> str | None:
    handle = client.get_workflow_handle(callback.workflow_id, run_id=callback.run_id)
    async with explained("callbacks"):
        try:
            await handle.result(follow_runs=False)
        except WorkflowFailureError as error:
            return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
    return None
