"""Voiding at the provider, for an operator or at the deadline, until it is confirmed there."""

import contextlib

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import policies
from workflows.looking import ask
from workflows.state import AgreementState
from workflows.steps import at_provider
from workflows.tasks import VoidInput

with workflow.unsafe.imports_passed_through():
    from activities.signatures import SignatureActivities


async def expire(state: AgreementState) -> None:
    """End at the deadline; a signature that came in time still counts."""
    await ask(state, by="poll")
    if state.progress.ended is None:
        state.deadline_passed = True
        await void(state, "The deadline for signing has passed.")


async def void(state: AgreementState, reason: str) -> None:
    """Void at the provider and see it confirmed; a document that ended first stays as it ended."""
    state.reason = reason
    try:
        await workflow.execute_activity_method(
            SignatureActivities.void,
            VoidInput(
                reference=state.agreement.reference,
                tag=state.tag,
                document_id=state.document(),
                reason=reason,
            ),
            **at_provider(policies.VOID, "void", pace=state.pace),
        )
        state.note("voided")
    except ActivityError as error:
        state.fail("the provider refused to void", error)
    await ask(state, by="poll" if state.deadline_passed else "operator")
    if state.progress.ended is None:
        await _pause(state)


async def _pause(state: AgreementState) -> None:
    """Let an hour pass before voiding again, unless there is news."""
    state.trouble = "The provider does not void the document; it is tried again every hour."
    state.publish()
    with contextlib.suppress(TimeoutError):
        await workflow.wait_condition(
            lambda: bool(state.inbox or state.resolution),
            timeout=state.paced(policies.VOID_AGAIN),
            timeout_summary="void again",
        )
    state.trouble = None
