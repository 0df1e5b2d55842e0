"""Claiming the reference for good: Temporal forgets closed workflows, the store does not."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import policies
from workflows.state import AgreementState
from workflows.steps import as_failure, at_store
from workflows.tasks import ClaimInput

with workflow.unsafe.imports_passed_through():
    from activities.claims import ClaimActivities


async def claim(state: AgreementState) -> None:
    """Claim the reference, and learn what holds for all of the agreement's life.

    Raises:
        ApplicationError: An earlier agreement has it.
    """
    reference = state.agreement.reference
    try:
        claimed = await workflow.execute_activity_method(
            ClaimActivities.claim, _claim_of(state), **at_store(policies.CLAIM, f"claim {reference}")
        )
    except ActivityError as error:
        raise as_failure(error) from error
    state.keep_to(claimed)


async def release(state: AgreementState) -> bool:
    """Give the reference back, nothing having been sent; False if the store does not take that."""
    reference = state.agreement.reference
    try:
        await workflow.execute_activity_method(
            ClaimActivities.release,
            _claim_of(state),
            **at_store(policies.CLAIM, f"release {reference}: nothing was sent"),
        )
    except ActivityError:
        return False
    return True


def _claim_of(state: AgreementState) -> ClaimInput:
    run_id = workflow.info().first_execution_run_id
    return ClaimInput(reference=state.agreement.reference, run_id=run_id)
