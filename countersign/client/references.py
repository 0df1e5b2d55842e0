"""References that are already in use, by the same agreement or by another one."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.messages import AgreementInput, CallbackAddress
from countersign.agreements.names import CHANGE_CALLBACK
from countersign.agreements.reference import workflow_id
from countersign.client.connections import sent_nothing
from countersign.client.errors import BadInputError, ReferenceTakenError
from countersign.client.history import RecordedInput, recorded_input

RPC_TIMEOUT: Final = timedelta(seconds=10)

_NOT_COMPARED: Final = frozenset({"reference", "deadline", "initiated_by"})
_CALLBACK: Final = frozenset({"callback_url", "callback_secret_key", "metadata"})
_DEADLINE_TOLERANCE: Final = timedelta(minutes=5)
"""The greatest difference between two deadlines "14 days from now": twice the time that checks take."""
_NUMBERED: Final = re.compile(r"(?P<stem>.+)\.(?P<number>\d{1,3})")


class StartedAgreement(BaseModel):
    """An agreement that runs, or has run.

    Args:
        reference: The agreement's reference.
        workflow_id: The id of the workflow in Temporal.
        run_id: The id of the workflow's run.
        already_running: Whether the agreement was already running; then nothing was started.
        already_ended: Whether the agreement had already ended; then nothing was started.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    workflow_id: str
    run_id: str
    already_running: bool = False
    already_ended: bool = False


async def find_existing(
    client: Client,
    agreement: AgreementInput,
    *,
    compare_deadline: bool = True,
    compare_callback: bool = True,
) -> StartedAgreement:
    """Return the agreement that uses the reference, if it has the same content.

    Args:
        client: The connection to Temporal.
        agreement: What the reference must stand for.
        compare_deadline: Whether another deadline is other content.
        compare_callback: Whether another `callback_url`, with its secret and metadata, is other content.

    Raises:
        ReferenceTakenError: The reference belongs to an agreement with other content.
        RPCError: Temporal does not respond.
    """
    reference = agreement.reference
    described = await client.get_workflow_handle(workflow_id(reference)).describe()
    runs = described.status == WorkflowExecutionStatus.RUNNING
    handle = client.get_workflow_handle(described.id, run_id=described.run_id)
    try:
        existing = await recorded_input(client, handle)
    except BadInputError:
        raise _taken(reference, "content that this process cannot read", runs=runs) from None
    ignored = frozenset() if compare_callback or agreement.callback_url is None else _CALLBACK
    changed = [name for name in _changed(agreement, existing) if name not in ignored]
    if compare_deadline and not _same_deadline(agreement.deadline, existing):
        changed.append("deadline")
    if changed:
        raise _taken(reference, f"other content ({', '.join(changed)})", runs=runs, fields=changed)
    return StartedAgreement(
        reference=reference,
        workflow_id=described.id,
        run_id=described.run_id,
        already_running=runs,
        already_ended=not runs,
    )


async def change_callback(
    client: Client, agreement: AgreementInput, found: StartedAgreement
) -> StartedAgreement:
    """Send the events that follow to the URL of a repeated start, if it names one.

    Args:
        client: The connection to Temporal.
        agreement: The repeated start.
        found: The agreement that it means.

    Returns:
        `found`; as ended, if the agreement has ended meanwhile.

    Raises:
        RPCError: Temporal does not respond.
    """
    if agreement.callback_url is None or not found.already_running:
        return found
    address = CallbackAddress(
        callback_url=agreement.callback_url,
        callback_secret_key=agreement.callback_secret_key,
        metadata=agreement.metadata,
    )
    handle = client.get_workflow_handle(found.workflow_id)
    try:
        await handle.signal(CHANGE_CALLBACK, address, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return found.model_copy(update={"already_running": False, "already_ended": True})
    return found


async def failed_before_sending(client: Client, reference: str) -> bool:
    """Return whether the agreement that used the reference failed before the send, and released it.

    Raises:
        RPCError: Temporal does not respond.
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
    """Return the next reference: `order-1042.2` after `order-1042`, `order-1042.3` after `order-1042.2`."""
    if numbered := _NUMBERED.fullmatch(reference):
        return f"{numbered['stem']}.{int(numbered['number']) + 1}"
    return f"{reference}.2"


def _changed(agreement: AgreementInput, existing: RecordedInput) -> list[str]:
    """Return the names of the fields that differ, but for the deadline."""
    fields = [name for name in AgreementInput.model_fields if name not in _NOT_COMPARED]
    return [name for name in fields if getattr(agreement, name) != getattr(existing.agreement, name)]


def _same_deadline(deadline: datetime | None, existing: RecordedInput) -> bool:
    """Return whether two deadlines are the same; ignore small differences between relative ones."""
    old = existing.agreement.deadline
    if deadline is None or old is None or deadline == old:
        return deadline == old
    return abs((deadline - datetime.now(UTC)) - (old - existing.started_at)) < _DEADLINE_TOLERANCE


def _taken(reference: str, content: str, *, runs: bool, fields: Sequence[str] = ()) -> ReferenceTakenError:
    signer = "; `replace-signer` replaces a signer" if runs else ""
    return ReferenceTakenError(
        f"reference {reference} {'is' if runs else 'was'} used by an agreement with {content}: use another "
        f"one, for example {next_reference(reference)} (with --supersedes {reference} if it replaces that "
        f"agreement){signer}",
        fields,
    )
