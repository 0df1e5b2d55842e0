"""Follow an agreement while things happen to it, through lost connections and restarts."""

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

_PATIENCE: Final = (1, 2, 5, 10, 30)
"""Seconds between attempts to reach Temporal or a worker again; the last one repeats."""

_GLANCE: Final = 5.0
"""Seconds between looks at what is held up at the provider: Temporal's history does not tell."""


async def follow_agreement(
    reference: str, *, client: Client | None = None, on_trouble: Report = ignore
) -> AsyncIterator[AgreementView]:
    """Yield an agreement's status now and whenever something happens to it, until it has ended.

    Waits for events in Temporal's history, which costs nothing, and asks for the status only then.

    Args:
        reference: Its reference.
        client: A connection to use.
        on_trouble: Told, in a sentence, when Temporal or every worker is out of reach; we go on trying.

    Raises:
        BadInputError: That is no reference.
        UnknownAgreementError: There is no such agreement.
        FailedAgreementError: It failed.
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
            await asyncio.sleep(_PATIENCE[min(failures, len(_PATIENCE) - 1)])
            failures += 1


async def _until_interrupted(reference: str, client: Client | None) -> AsyncIterator[AgreementView]:
    """Yield statuses of one run, until that run's history ends."""
    status = await agreement_status(reference, client=client)
    yield status
    client = client or await shared_client()
    handle = client.get_workflow_handle(workflow_id(reference))
    news = handle.fetch_history_events(wait_new_event=True)
    while status.result is None:
        happened = asyncio.create_task(_something_happened(news, handle, reference))
        try:
            while not (await asyncio.wait({happened}, timeout=_GLANCE))[0]:
                async with explained(reference):
                    wait = await provider_wait(client, handle)
                if wait != status.provider_wait:
                    status = status.model_copy(update={"provider_wait": wait})
                    yield status
            if not await happened:
                return
        finally:
            happened.cancel()
        status = await agreement_status(reference, client=client)
        yield status


async def _something_happened(
    news: WorkflowHistoryEventAsyncIterator, handle: WorkflowHandle[Any, Any], reference: str
) -> bool:
    """Wait for the next events; False when the run has ended, and raise if the agreement failed with it."""
    async with explained(reference):
        await news.fetch_next_page()
        if news.next_page_token is None:
            await handle.result()
    return news.next_page_token is not None
