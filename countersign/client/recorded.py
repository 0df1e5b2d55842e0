"""What an agreement was started with, as Temporal's history tells: asking costs the workflow nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from countersign.agreements.messages import AgreementInput
from countersign.client.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an agreement was started with, and when."""

    agreement: AgreementInput
    started_at: datetime


async def recorded_input(client: Client, handle: WorkflowHandle[Any, Any]) -> Recorded:
    """Read the beginning of a run's history, whoever started it, in whatever language.

    Raises:
        BadInputError: It was started with something else, or its content is encrypted with a key not ours.
        RPCError: There is no such run, or Temporal does not answer.
    """
    first = await anext(handle.fetch_history_events(page_size=1))
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    try:
        (agreement,) = await client.data_converter.decode(payloads, [AgreementInput])
        checked = AgreementInput.model_validate(agreement)
    except (ValueError, KeyError, ApplicationError):  # the last two: this process lacks the key
        raise BadInputError(
            f"{handle.id}: what it was started with cannot be read here: check COUNTERSIGN_ENCRYPTION_KEYS"
        ) from None
    return Recorded(checked, first.event_time.ToDatetime(tzinfo=UTC))
