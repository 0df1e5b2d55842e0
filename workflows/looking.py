"""Looking at the provider: what it says of the document is what counts."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from countersign.events import EventKind
from workflows import policies, schedule
from workflows.archiving import confirm_and_archive
from workflows.facts import ResolvedBy
from workflows.state import AgreementState
from workflows.steps import at_provider
from workflows.tasks import DocumentInput

with workflow.unsafe.imports_passed_through():
    from activities.signatures import SignatureActivities


async def look(state: AgreementState, *, by: ResolvedBy) -> None:
    """Ask the provider; a document said to be completed is archived in the same step."""
    if EventKind.COMPLETED in state.progress.claimed:
        await confirm_and_archive(state, by=by)
        if not state.progress.claimed:  # it was too early: the provider says otherwise, still
            state.looks = 0
    if state.progress.claimed or by == "poll":
        await ask(state, by=by)
    plan_next_look(state)


async def ask(state: AgreementState, *, by: ResolvedBy) -> None:
    """Ask the provider where the document is; if it does not tell, a person must look."""
    try:
        seen = await workflow.execute_activity_method(
            SignatureActivities.look,
            DocumentInput(document_id=state.document()),
            **at_provider(policies.LOOK, "look at the provider", pace=state.pace),
        )
    except ActivityError as error:
        state.fail("the provider does not tell about the document", error)
        state.trouble = "The provider does not tell about the document: look there, then void or abandon it."
    else:
        state.trouble = None
        state.observe(seen, by=by)


def plan_next_look(state: AgreementState) -> None:
    """Set when the provider is asked next, if nothing comes before: less and less often.

    The basis is a recorded time, so a replay plans the same.
    """
    wait = schedule.until_next_look(state.looks)
    if state.progress.finalization_failed:
        wait = schedule.FINALIZATION_FAILED
    state.looks += 1
    state.next_look_at = state.known_time + state.paced(wait)
