"""Start, follow and end agreements from Python. Nothing here needs knowledge of Temporal.

Each function connects to Temporal by itself (as the environment says: `TEMPORAL_ADDRESS`, ...), once per
event loop; give it a `client` to use a connection of your own. Each raises a `CommandError` whose message is
one sentence for people.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from commands import provider
from commands.connecting import explained, shared_client
from commands.drafting import check_draft
from commands.errors import BadInputError, RefusedError
from commands.files import LocalFile, store_file
from commands.waits import provider_wait
from countersign.reference import InvalidReferenceError, workflow_id
from workflows import attributes
from workflows.messages import (
    TASK_QUEUE,
    WORKFLOW_NAME,
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Resolution,
    VoidRequest,
)

_RPC_TIMEOUT: Final = timedelta(seconds=10)
_UPDATE_TIMEOUT: Final = timedelta(seconds=60)


class StartedAgreement(BaseModel):
    """An agreement that runs.

    Args:
        reference: Its reference.
        workflow_id: The id of its workflow in Temporal.
        run_id: The id of the workflow's run.
        already_running: It had been started before; nothing was started twice.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    workflow_id: str
    run_id: str
    already_running: bool = False


async def check_agreement(
    agreement: AgreementInput | Mapping[str, Any], *, ask_provider: bool = True
) -> AgreementInput:
    """Check everything that can be checked without starting or sending anything.

    Args:
        agreement: What to have signed by whom, or a draft of it: see `drafting.py`.
        ask_provider: Where this process has the provider's key, ask about template, variables and roles.

    Raises:
        BadInputError: The agreement cannot work.
        UnreachableError: The provider does not answer.
    """
    checked, _ = await _checked(agreement, ask_provider=ask_provider)
    return checked


async def start_agreement(
    agreement: AgreementInput | Mapping[str, Any],
    *,
    ask_provider: bool = True,
    task_queue: str = TASK_QUEUE,
    client: Client | None = None,
) -> StartedAgreement:
    """Start an agreement. Repeating this with the same reference is harmless: it stays one agreement.

    It is checked first, as `check_agreement` does; a local file that it sends is put into the store.

    Args:
        agreement: What to have signed by whom, or a draft of it: see `drafting.py`.
        ask_provider: See `check_agreement`; if not, the worker finds the same mistakes later.
        task_queue: The queue that workers serve.
        client: A connection to use.

    Raises:
        BadInputError: The agreement cannot work; nothing was done.
        RefusedError: The reference was used by an agreement that has ended.
        UnreachableError: Temporal, the provider or the store does not answer.
    """
    checked, file = await _checked(agreement, ask_provider=ask_provider)
    client = client or await shared_client()
    if file is not None:
        await store_file(file)
    async with explained(checked.reference):
        try:
            handle = await client.start_workflow(
                WORKFLOW_NAME,
                checked,
                id=workflow_id(checked.reference),
                task_queue=task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=checked.title,
                search_attributes=attributes.at_start(checked.deadline),
                rpc_timeout=_RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return await _running(client, checked.reference)
    return StartedAgreement(
        reference=checked.reference, workflow_id=handle.id, run_id=handle.first_execution_run_id or ""
    )


async def agreement_input(reference: str, *, client: Client | None = None) -> AgreementInput:
    """Tell what an agreement was started with.

    Args:
        reference: Its reference.
        client: A connection to use.

    Raises:
        UnknownAgreementError: There is none.
        UnreachableError: Temporal does not answer.
    """
    client = client or await shared_client()
    handle = await _handle(reference, client)
    async with explained(reference):
        first = await anext(handle.fetch_history_events(page_size=1))
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    (agreement,) = await client.data_converter.decode(payloads, [AgreementInput])
    return AgreementInput.model_validate(agreement)


async def agreement_status(reference: str, *, client: Client | None = None) -> AgreementStatus:
    """Tell where an agreement is.

    Args:
        reference: Its reference.
        client: A connection to use.

    Raises:
        UnknownAgreementError: There is none.
        UnreachableError: Temporal or every worker is out of reach.
    """
    handle = await _handle(reference, client)
    async with explained(reference):
        status: AgreementStatus = await handle.query(
            "status", result_type=AgreementStatus, rpc_timeout=_RPC_TIMEOUT
        )
        if status.result is not None:
            return status
        return status.model_copy(update={"provider_wait": await provider_wait(handle)})


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
        UnreachableError: Temporal or every worker is out of reach.
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
        UnreachableError: Temporal or every worker is out of reach.
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
        UnreachableError: Temporal or every worker is out of reach.
    """
    await _update(reference, "resolve", resolution, client)


async def agreement_result(reference: str, *, client: Client | None = None) -> AgreementResult:
    """Wait until an agreement ends, however long that takes, and return how.

    Args:
        reference: Its reference.
        client: A connection to use.

    Raises:
        UnknownAgreementError: There is none.
        UnreachableError: Temporal does not answer.
    """
    handle = await _handle(reference, client)
    async with explained(reference):
        result: AgreementResult = await handle.result()
        return result


async def _checked(
    agreement: AgreementInput | Mapping[str, Any], *, ask_provider: bool
) -> tuple[AgreementInput, LocalFile | None]:
    checked, file = await check_draft(agreement)
    if ask_provider and provider.is_configured():
        await provider.check_at_provider(checked)
    return checked, file


async def _handle(reference: str, client: Client | None) -> WorkflowHandle[Any, AgreementResult]:
    try:
        name = workflow_id(reference)
    except InvalidReferenceError as error:
        raise BadInputError(str(error)) from None
    client = client or await shared_client()
    return client.get_workflow_handle(name, result_type=AgreementResult)


async def _update(reference: str, name: str, argument: BaseModel | None, client: Client | None) -> None:
    handle = await _handle(reference, client)
    arguments = [] if argument is None else [argument]
    async with explained(reference):
        await handle.execute_update(name, args=arguments, rpc_timeout=_UPDATE_TIMEOUT)


async def _running(client: Client, reference: str) -> StartedAgreement:
    description = await client.get_workflow_handle(workflow_id(reference)).describe()
    if description.status != WorkflowExecutionStatus.RUNNING:
        raise RefusedError(
            f"reference {reference} was used by an agreement that has ended: "
            f"take a new one, for example {reference}.2"
        )
    return StartedAgreement(
        reference=reference, workflow_id=description.id, run_id=description.run_id, already_running=True
    )
