"""The input of an agreement, from the first event of its history."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.messages import AgreementInput
from countersign.client.errors import BadInputError
from countersign.configuration import SettingsError


@dataclass(frozen=True, slots=True)
class RecordedInput:
    """The input of an agreement, and the time of its start, in its first run."""

    agreement: AgreementInput
    started_at: datetime


async def recorded_input(client: Client, handle: WorkflowHandle[Any, Any]) -> RecordedInput:
    """Read the input of a run, which a client in any language may have started.

    Raises:
        BadInputError: This process cannot decrypt or parse the input.
        RPCError: The run does not exist, or Temporal does not respond.
    """
    first = await anext(handle.fetch_history_events(page_size=1))
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    try:
        (agreement,) = await client.data_converter.decode(payloads, [AgreementInput])
        checked = AgreementInput.model_validate(agreement)
    except (ValueError, SettingsError, ApplicationError):  # the last two: the encryption key is missing
        raise BadInputError(
            f"{handle.id}: this process cannot read the input: check COUNTERSIGN_ENCRYPTION_KEYS"
        ) from None
    return RecordedInput(
        checked, (await _first_of_all(client, handle, first)).event_time.ToDatetime(tzinfo=UTC)
    )


async def _first_of_all(
    client: Client, handle: WorkflowHandle[Any, Any], first: HistoryEvent
) -> HistoryEvent:
    """Return the first event of the first run; that of this one if Temporal has forgotten the first run."""
    started = first.workflow_execution_started_event_attributes
    if started.first_execution_run_id in {"", started.original_execution_run_id}:
        return first
    first_run = client.get_workflow_handle(handle.id, run_id=started.first_execution_run_id)
    try:
        return await anext(first_run.fetch_history_events(page_size=1))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return first
