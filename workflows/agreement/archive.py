"""The archive of a completed document and its evidence.

A failing archive never changes the signature's state.
"""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from countersign.agreements.events import EventKind
from countersign.agreements.failures import ARCHIVE_FAILED
from countersign.agreements.messages import Observation, ResolvedBy, Stage, WaitingFor
from workflows.agreement import policies, steps
from workflows.agreement.state import AgreementState

_TRY_AGAIN: Final = timedelta(hours=1)


async def confirm_and_archive(state: AgreementState, *, by: ResolvedBy) -> None:
    """Confirm with the provider that the document is completed and, if so, archive it.

    If archiving fails, the document's state is applied all the same; `archive_if_completed` repeats it.
    """
    state.enter(Stage.ARCHIVING, WaitingFor.PROVIDER)
    try:
        outcome = await steps.archive(state, policies.ARCHIVE_FIRST)
    except ActivityError as error:
        state.fail("archiving failed", error)
        seen = _seen_before_failing(error)
        if seen is not None:
            state.observe(seen, by=by)
    else:
        state.observe(outcome.observation, by=by)
        state.archive = outcome.stored()


async def archive_if_completed(state: AgreementState) -> None:
    """Archive a completed document that is not archived yet, with retries without end."""
    if state.progress.ended != EventKind.COMPLETED:
        return
    if state.archive is None:
        await confirm_and_archive(state, by=state.ended_by)
    while state.archive is None:
        state.carry(trouble="The document is signed but cannot be archived yet; the worker keeps retrying.")
        state.enter(Stage.ARCHIVING, WaitingFor.PROVIDER)
        state.update_search_attributes()
        try:
            state.archive = (await steps.archive(state, policies.ARCHIVE)).stored()
        except ActivityError as error:
            state.fail("archiving failed", error)
        if state.archive is None:
            await workflow.sleep(state.scaled(_TRY_AGAIN), summary="archive again")


def _seen_before_failing(error: ActivityError) -> Observation | None:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == ARCHIVE_FAILED and cause.details:
        return Observation.model_validate(cause.details[0])
    return None
