"""The claim of the reference in the store, which remembers it longer than Temporal does."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from countersign.agreements.validation import problems
from workflows.agreement import steps
from workflows.agreement.state import AgreementState
from workflows.failures import as_failure


async def claim(state: AgreementState) -> None:
    """Claim the reference, and keep what holds for the whole agreement.

    The activity refuses an agreement that has problems, so that the history records the decision: a rule that
    a later version adds does not change the replay of an agreement that was accepted before.

    Raises:
        ApplicationError: The agreement has problems, or an earlier agreement has the reference.
    """
    found = problems(state.agreement, workflow.info().workflow_start_time)
    try:
        state.keep_to(await steps.claim(state, found))
    except ActivityError as error:
        raise as_failure(error) from error


async def release(state: AgreementState) -> bool:
    """Give the reference back; False if the store cannot record it."""
    try:
        await steps.release(state)
    except ActivityError:
        return False
    return True
