"""A reference that is in use already: by this very agreement, started once more, or by another one."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from countersign.agreements.messages import AgreementInput
from countersign.agreements.reference import workflow_id
from countersign.client.connections import sent_nothing
from countersign.client.errors import BadInputError, ReferenceTakenError
from countersign.client.recorded import Recorded, recorded_input

_NO_CONTENT: Final = frozenset({"reference", "deadline", "initiated_by", "continued"})
_SLACK: Final = timedelta(minutes=5)
"""How far two deadlines of "14 days from now" may be apart: the time that checking takes, twice."""
_NUMBERED: Final = re.compile(r"(?P<stem>.+)\.(?P<number>\d{1,3})")


class StartedAgreement(BaseModel):
    """An agreement that runs, or has run.

    Args:
        reference: Its reference.
        workflow_id: The id of its workflow in Temporal.
        run_id: The id of the workflow's run.
        already_running: It had been started before; nothing was started twice.
        already_ended: It had been started before and has ended since; nothing was started twice.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    workflow_id: str
    run_id: str
    already_running: bool = False
    already_ended: bool = False


async def find_former(client: Client, agreement: AgreementInput) -> StartedAgreement:
    """Return the agreement that has the reference, if it is this one.

    Raises:
        ReferenceTakenError: It has other content.
        RPCError: Temporal does not answer.
    """
    reference = agreement.reference
    described = await client.get_workflow_handle(workflow_id(reference)).describe()
    runs = described.status == WorkflowExecutionStatus.RUNNING
    handle = client.get_workflow_handle(described.id, run_id=described.run_id)
    try:
        former = await recorded_input(client, handle)
    except BadInputError:
        raise _taken(reference, "content that cannot be read here", runs=runs) from None
    if changed := _changed(agreement, former):
        raise _taken(reference, f"other content ({', '.join(changed)})", runs=runs)
    return StartedAgreement(
        reference=reference,
        workflow_id=described.id,
        run_id=described.run_id,
        already_running=runs,
        already_ended=not runs,
    )


async def failed_before_sending(client: Client, reference: str) -> bool:
    """Tell whether the agreement that had the reference failed, and gave it back since nothing was sent.

    Raises:
        RPCError: Temporal does not answer.
    """
    described = await client.get_workflow_handle(workflow_id(reference)).describe()
    if described.status != WorkflowExecutionStatus.FAILED:
        return False
    try:
        await client.get_workflow_handle(described.id, run_id=described.run_id).result()
    except WorkflowFailureError as failed:
        return sent_nothing(failed.cause)
    return False


def next_reference(reference: str) -> str:
    """Number a reference on: `order-1042`, `order-1042.2`, `order-1042.3`."""
    if numbered := _NUMBERED.fullmatch(reference):
        return f"{numbered['stem']}.{int(numbered['number']) + 1}"
    return f"{reference}.2"


def _changed(agreement: AgreementInput, former: Recorded) -> list[str]:
    """Name what differs. Who started it is no content, and "in 14 days" is the same a moment later."""
    fields = [name for name in AgreementInput.model_fields if name not in _NO_CONTENT]
    changed = [name for name in fields if getattr(agreement, name) != getattr(former.agreement, name)]
    return changed if _same_deadline(agreement.deadline, former) else [*changed, "deadline"]


def _same_deadline(deadline: datetime | None, former: Recorded) -> bool:
    old = former.agreement.deadline
    if deadline is None or old is None or deadline == old:
        return deadline == old
    return abs((deadline - datetime.now(UTC)) - (old - former.started_at)) < _SLACK


def _taken(reference: str, by: str, *, runs: bool) -> ReferenceTakenError:
    signer = "; replace-signer exchanges a signer" if runs else ""
    return ReferenceTakenError(
        f"reference {reference} {'is' if runs else 'was'} used by an agreement with {by}: take another, for "
        f"example {next_reference(reference)} (with --supersedes {reference} if it replaces that one){signer}"
    )
