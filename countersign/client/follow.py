"""The stream of an agreement's statuses, across lost connections and restarts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle, WorkflowHistoryEventAsyncIterator

from countersign.agreements.reference import workflow_id
from countersign.client.agreements import agreement_status
from countersign.client.connections import explained, shared_client
from countersign.client.errors import UnreachableError
from countersign.client.progress import Report, ignore
from countersign.client.view import AgreementView
from countersign.client.waits import provider_wait

_PAUSES: Final = (1, 2, 5, 10, 30)
"""Seconds between attempts to reach Temporal or a worker; the last one repeats."""

_CHECK_INTERVAL: Final = 5.0
"""Seconds between checks for steps that wait for the provider, which no history event reports."""


async def follow_agreement(
    reference: str, *, client: Client | None = None, on_trouble: Report = ignore
) -> AsyncIterator[AgreementView]:
    """Yield an agreement's status now and after every change, until the agreement has ended.

    Waits for events in Temporal's history, which is no billable action, and queries the status only then.

    Args:
        reference: The agreement's reference.
        client: A connection to use; by default a shared one.
        on_trouble: Called with a sentence if Temporal or all workers are unreachable; the function retries.

    Raises:
        BadInputError: The reference is invalid.
        UnknownAgreementError: No agreement has this reference.
        FailedAgreementError: The agreement failed.
    """
    failures = 0
    while True:
        try:
            async for status in _until_interrupted(reference, client):
                failures = 0
                yield status
                if status.result is not None:
                    return
        except UnreachableError as error:
            on_trouble(str(error))
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1


async def _until_interrupted(reference: str, client: Client | None) -> AsyncIterator[AgreementView]:
    """Yield statuses until the history of the current run ends."""
    status = await agreement_status(reference, client=client)
    yield status
    client = client or await shared_client()
    handle = client.get_workflow_handle(workflow_id(reference))
    events = handle.fetch_history_events(wait_new_event=True)
    while status.result is None:
        change = asyncio.create_task(_await_events(events, handle, reference))
        try:
            while not (await asyncio.wait({change}, timeout=_CHECK_INTERVAL))[0]:
                async with explained(reference):
                    wait = await provider_wait(client, handle)
                if wait != status.provider_wait:
                    status = status.model_copy(update={"provider_wait": wait})
                    yield status
            if not await change:
                return
        finally:
            change.cancel()
        status = await agreement_status(reference, client=client)
        yield status


async def _await_events(
    events: WorkflowHistoryEventAsyncIterator, handle: WorkflowHandle[Any, Any], reference: str
) -> bool:
    """Wait for the next events; return False if the run has ended. Raise if the agreement failed."""
    async with explained(reference):
        await events.fetch_next_page()
        if events.next_page_token is None and not _goes_on(events):
            await handle.result()
    return events.next_page_token is not None


def _goes_on(events: WorkflowHistoryEventAsyncIterator) -> bool:
    """Return whether a run that has ended has continued as new."""
    *_, last = events.current_page or (None,)
    return last is not None and last.HasField("workflow_execution_continued_as_new_event_attributes")
