"""Functions that check and start agreements."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from structlog.contextvars import bound_contextvars
from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from countersign.agreements import search_attributes
from countersign.agreements.addresses import read_callback_url
from countersign.agreements.messages import AgreementInput, RolesSource, TemplateSource
from countersign.agreements.names import WORKFLOW_NAME
from countersign.agreements.reference import workflow_id
from countersign.client.connections import explained, shared_client
from countersign.client.drafts import check_draft
from countersign.client.errors import (
    BadInputError,
    ReferenceTakenError,
    UnknownAgreementError,
    UnreachableError,
)
from countersign.client.files import LocalFile, store_file
from countersign.client.progress import Report, ignore
from countersign.client.references import (
    RPC_TIMEOUT,
    StartedAgreement,
    change_callback,
    failed_before_sending,
    find_existing,
    next_reference,
)
from countersign.client.settings import load_settings
from countersign.client.store import find_stored
from countersign.observability.correlation import request_id
from countersign.settings import CallbackSettings, CountersignSettings

_log = logging.getLogger(__name__)

_AFTER_A_FAILURE: Final = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
"""Used only if the failed agreement reports that it sent nothing. The worker checks the claim again."""


async def check_agreement(
    agreement: AgreementInput | Mapping[str, Any],
    *,
    ask_provider: bool = True,
    insist: bool = False,
    client: Client | None = None,
    on_omission: Report = ignore,
) -> AgreementInput:
    """Run all checks of `start_agreement` without starting or sending anything.

    Args:
        agreement: The agreement, or a draft of it: see `countersign.client.drafts`.
        ask_provider: Check template, variables and roles with the provider, if its API key is set.
        insist: Raise an error if the provider does not respond; by default, leave that check to the worker.
        client: A connection to use; by default a shared one.
        on_omission: Called with a sentence about every omitted check and every warning.

    Raises:
        BadInputError: The agreement is invalid.
        ReferenceTakenError: The reference belongs to an agreement with other content, or to one that the
            store remembers and Temporal does not.
        UnreachableError: Temporal or the provider does not respond.
    """
    checked, _ = await _checked(agreement, on_omission, ask_provider=ask_provider, insist=insist)
    client = client or await shared_client()
    try:
        async with explained(checked.reference):
            if not await failed_before_sending(client, checked.reference):
                await find_existing(client, checked, compare_callback=False)
    except UnknownAgreementError:
        await _refuse_claimed(checked.reference, client, on_omission)
    return checked


async def _refuse_claimed(reference: str, client: Client, on_omission: Report) -> None:
    """Look in the store for a claim, as the worker will: it outlives the history in Temporal."""
    try:
        stored, _ = await find_stored(reference, client)
    except (BadInputError, UnreachableError) as error:
        on_omission(f"the worker checks whether the reference was used: {error}")
        return
    if stored.claim and not stored.is_released:
        raise ReferenceTakenError(
            f"reference {reference} was used by an earlier agreement that the store remembers: use another "
            f"one, for example {next_reference(reference)}"
        )


async def start_agreement(
    agreement: AgreementInput | Mapping[str, Any],
    *,
    ask_provider: bool = True,
    insist: bool = False,
    task_queue: str | None = None,
    client: Client | None = None,
    on_omission: Report = ignore,
) -> StartedAgreement:
    """Check and start an agreement, and upload its local files to the store.

    A repeated call with the same content returns the existing agreement. If it names a `callback_url`, that
    URL, with its secret and metadata, receives the events that follow. If that agreement failed before the
    send, a repeated call starts it again, also with other content.

    Args:
        agreement: The agreement, or a draft of it: see `countersign.client.drafts`.
        ask_provider: See `check_agreement`. Without this check, the worker finds the same errors later.
        insist: See `check_agreement`.
        task_queue: The task queue of the workers; by default from the settings.
        client: A connection to use; by default a shared one.
        on_omission: See `check_agreement`.

    Raises:
        BadInputError: The agreement is invalid; nothing was done.
        ReferenceTakenError: The reference belongs to an agreement with other content; nothing was done.
        UnreachableError: Temporal, the provider or the store does not respond.
    """
    _, started = await begin_agreement(
        agreement,
        ask_provider=ask_provider,
        insist=insist,
        task_queue=task_queue,
        client=client,
        on_omission=on_omission,
    )
    return started


async def begin_agreement(
    agreement: AgreementInput | Mapping[str, Any],
    *,
    ask_provider: bool = True,
    insist: bool = False,
    task_queue: str | None = None,
    client: Client | None = None,
    on_omission: Report = ignore,
) -> tuple[AgreementInput, StartedAgreement]:
    """Do what `start_agreement` does, and return the agreement's input too."""
    checked, files = await _checked(agreement, on_omission, ask_provider=ask_provider, insist=insist)
    client, task_queue = client or await shared_client(), task_queue or _task_queue()
    for file in files:
        await store_file(file)
    with _about(checked):
        started = await start_once(client, checked, task_queue)
        repeated = started.already_running or started.already_ended
        event = "agreement was already started" if repeated else "agreement started"
        _log.info(event, extra={"run_id": started.run_id})
    return checked, started


async def start_once(
    client: Client,
    checked: AgreementInput,
    task_queue: str,
    *,
    batch: str | None = None,
    priority: Priority = Priority.default,
) -> StartedAgreement:
    """Start a checked agreement whose files are in the store, or return the one that has its reference.

    Args:
        client: The connection.
        checked: The agreement.
        task_queue: The task queue of the workers.
        batch: The batch that it belongs to.
        priority: Its priority, and that of its steps.

    Raises:
        ReferenceTakenError: The reference belongs to an agreement with other content; nothing was done.
        UnreachableError: Temporal does not respond.
    """
    async with explained(checked.reference):
        for reuse in (WorkflowIDReusePolicy.REJECT_DUPLICATE, _AFTER_A_FAILURE):
            try:
                return await _start(client, checked, task_queue, reuse, batch=batch, priority=priority)
            except WorkflowAlreadyStartedError:
                if not await failed_before_sending(client, checked.reference):
                    break
        found = await find_existing(client, checked, compare_callback=False)
        return await change_callback(client, checked, found)


async def _start(
    client: Client,
    agreement: AgreementInput,
    task_queue: str,
    reuse: WorkflowIDReusePolicy,
    *,
    batch: str | None,
    priority: Priority,
) -> StartedAgreement:
    handle = await client.start_workflow(
        WORKFLOW_NAME,
        agreement,
        id=workflow_id(agreement.reference),
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        id_reuse_policy=reuse,
        static_summary=agreement.title,
        memo=_initiator(agreement),
        search_attributes=search_attributes.at_start(
            agreement.account or _default_account(), agreement.deadline, batch
        ),
        priority=priority,
        rpc_timeout=RPC_TIMEOUT,
    )
    return StartedAgreement(
        reference=agreement.reference, workflow_id=handle.id, run_id=handle.first_execution_run_id or ""
    )


def _default_account() -> str:
    return load_settings(CountersignSettings).accounts[0][0]


def _task_queue() -> str:
    return load_settings(CountersignSettings).task_queue


async def _checked(
    agreement: AgreementInput | Mapping[str, Any], on_omission: Report, *, ask_provider: bool, insist: bool
) -> tuple[AgreementInput, tuple[LocalFile, ...]]:
    checked, files = await check_draft(agreement)
    for warning in (warning for file in files for warning in file.facts.warnings):
        on_omission(f"{checked.reference}: the file: {warning}")
    _check_callback(checked)
    if not ask_provider:
        return checked, files
    from countersign.client import provider  # noqa: PLC0415  # status needs no provider client

    account = provider.find_account(checked.account)
    if provider.has_key(account):
        with _about(checked):
            try:
                await provider.check_at_provider(checked, account)
            except UnreachableError as error:
                if insist:
                    raise
                on_omission(f"not checked with the provider: {error}; the worker checks it")
    elif isinstance(checked.source, TemplateSource | RolesSource):
        keys = " and ".join(provider.key_variables(account))
        on_omission(f"template not checked, because {keys} is not set: the worker checks it")
    return checked, files


def _check_callback(agreement: AgreementInput) -> None:
    """Check the host that is called back, if this process knows which hosts may be; the worker checks it too.

    Raises:
        BadInputError: The host may not be called.
    """
    if agreement.callback_url is None:
        return
    settings = load_settings(CallbackSettings)
    if not settings.hosts:
        return
    url = read_callback_url(agreement.callback_url)
    # The secret in the worker's settings need not be in this process's.
    if problem := settings.problem(url.host, url.port, plain=url.is_plain, has_secret=True):
        raise BadInputError(f"callback_url: {problem}")


def _about(agreement: AgreementInput) -> AbstractContextManager[None]:
    """Bind the agreement to log lines, without its run id, which is unknown before the start."""
    context = {"workflow_id": workflow_id(agreement.reference), "request_id": request_id()}
    return bound_contextvars(**context, **_initiator(agreement))


def _initiator(agreement: AgreementInput) -> dict[str, str]:
    """Return `initiated_by` for the memo and log lines; empty if the input has none."""
    return {} if agreement.initiated_by is None else {"initiated_by": agreement.initiated_by}
