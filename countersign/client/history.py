"""The input of an agreement, from the first event of its history."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from countersign.agreements.messages import AgreementInput
from countersign.client.errors import BadInputError
from countersign.configuration import SettingsError


@dataclass(frozen=True, slots=True)
class RecordedInput:
    """The input of an agreement, and the time of its start."""

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
    return RecordedInput(checked, first.event_time.ToDatetime(tzinfo=UTC))
