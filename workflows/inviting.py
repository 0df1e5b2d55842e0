"""Inviting those whose turn it is, where the send e-mailed nobody: each once.

An invitation is a write like the send: whatever is not provably unsent may have reached people, and is not
repeated. The provider's own count of what it e-mailed settles most doubts; a person settles the rest.
"""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import policies
from workflows.state import AgreementState
from workflows.steps import Verdict, at_provider, unless, verdict
from workflows.tasks import InviteInput

with workflow.unsafe.imports_passed_through():
    from activities.signatures import SignatureActivities

_SETTLED: Final = sum(policies.SETTLE, timedelta())
_IN_DOUBT: Final = (
    "It is not known whether those whose turn it is were e-mailed: look at the provider, then resolve with "
    "keep (they were) or send_again (they were not)."
)
_UNREACHED: Final = "Those whose turn it is have not been e-mailed yet; it is tried again at every look."


async def invite(state: AgreementState) -> None:
    """Invite whoever's turn it is and has not been; call it when the provider has just been asked."""
    now = state.invitations.uninvited(state.progress) - state.invitations.doubtful
    if now:
        await _invite(state, now)
    if state.invitations.uninvited(state.progress) and _is_overdue(state):
        state.trouble = _IN_DOUBT if state.invitations.in_doubt(state.progress) else _UNREACHED


async def _invite(state: AgreementState, recipient_ids: frozenset[str]) -> None:
    if state.invitations.is_new_turn(state.progress):
        state.looks = 0  # the next looks tell, soon, whether it worked
    state.invitations = state.invitations.attempt(state.progress, workflow.now())
    try:
        await unless(lambda: state.void_request is not None, _start(state, recipient_ids))
    except ActivityError as error:
        if verdict(error) is not Verdict.CANCELLED:
            state.fail("inviting failed", error)
        if verdict(error) is Verdict.UNKNOWN:
            state.invitations = state.invitations.doubt(recipient_ids)
    else:
        state.invitations = state.invitations.settle(recipient_ids)
        state.note("invited")


def _start(state: AgreementState, recipient_ids: frozenset[str]) -> workflow.ActivityHandle[None]:
    return workflow.start_activity_method(
        SignatureActivities.invite,
        InviteInput(
            reference=state.agreement.reference,
            tag=state.tag,
            document_id=state.document(),
            recipient_ids=tuple(sorted(recipient_ids)),
            number=state.invitations.attempts,
        ),
        **at_provider(policies.INVITE, f"invite {len(recipient_ids)} signers, once", pace=state.pace),
    )


def _is_overdue(state: AgreementState) -> bool:
    since = state.invitations.since
    return since is not None and workflow.now() >= since + state.paced(_SETTLED)
