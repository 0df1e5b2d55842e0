"""Claim the reference for good: Temporal forgets closed workflows, the store does not."""

from temporalio.exceptions import ActivityError

from workflows.agreement import steps
from workflows.agreement.state import AgreementState
from workflows.failures import as_failure


async def claim(state: AgreementState) -> None:
    """Claim the reference, and learn what holds for all of the agreement's life.

    Raises:
        ApplicationError: An earlier agreement has it.
    """
    try:
        state.keep_to(await steps.claim(state))
    except ActivityError as error:
        raise as_failure(error) from error


async def release(state: AgreementState) -> bool:
    """Give the reference back; False if the store does not take that."""
    try:
        await steps.release(state)
    except ActivityError:
        return False
    return True
