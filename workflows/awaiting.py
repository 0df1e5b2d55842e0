"""Awaiting signatures, for minutes or months: woken by webhooks, and by our own clock where they fail.

Whatever wakes it, only the provider's own answer ends the wait.
"""

import contextlib
from datetime import datetime
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from countersign.events import EventKind
from workflows import policies, schedule
from workflows.alarm import Alarm
from workflows.archiving import confirm_and_archive
from workflows.facts import ResolvedBy
from workflows.inviting import invite
from workflows.messages import Outcome, Stage, WaitingFor
from workflows.state import AgreementState, EndedEarlyError
from workflows.steps import at_provider
from workflows.tasks import DocumentInput, RemindInput, VoidInput

with workflow.unsafe.imports_passed_through():
    from activities.signatures import SignatureActivities

HISTORY_LIMIT: Final = 2000
"""Events after which an agreement continues as new: far below the server's warning at 10,240."""


async def await_end(state: AgreementState) -> bool:
    """Wait until the provider confirms an end; False if it is time to continue as new first.

    Raises:
        EndedEarlyError: A person abandoned the agreement.
    """
    _go_on_waiting(state)
    alarm = Alarm()
    try:
        if _is_called_for(state):  # by events that came before the document's id was known, too
            await _serve(state, rung=False)
        while state.progress.ended is None:
            if _history_is_long(state):
                return False
            alarm.set(*_next_alarm(state))
            await workflow.wait_condition(lambda: _has_news(state) or alarm.rings())
            await _serve(state, rung=alarm.rings())
    finally:
        alarm.cancel()
    return True


def _has_news(state: AgreementState) -> bool:
    return bool(state.inbox or state.void_request or state.resolution or state.remind_now)


def _history_is_long(state: AgreementState) -> bool:
    info = workflow.info()
    is_long = info.is_continue_as_new_suggested() or info.get_current_history_length() > HISTORY_LIMIT
    return is_long and not _has_news(state) and workflow.all_handlers_finished()


def _next_alarm(state: AgreementState) -> tuple[datetime, str]:
    """Find what is due first: a look at the provider, a reminder, or the deadline."""
    if state.next_look_at is None:
        _plan_next_look(state)
    due = [(state.next_look_at, "look at the provider"), (state.next_reminder_at(), "reminder")]
    due.append((state.agreement.deadline, "deadline"))
    return min((moment, summary) for moment, summary in due if moment is not None)


def _plan_next_look(state: AgreementState) -> None:
    wait = schedule.until_next_look(state.looks)
    if state.progress.finalization_failed:
        wait = schedule.FINALIZATION_FAILED
    state.looks += 1
    state.next_look_at = workflow.now() + state.paced(wait)


async def _serve(state: AgreementState, *, rung: bool) -> None:
    """Do the one thing that is most called for now."""
    state.take_in()
    if state.resolution is not None:
        _obey(state)
    elif state.void_request is not None:
        await _void(state, state.void_request.reason)
    elif state.deadline_is_past():
        await _expire(state)
    elif _is_called_for(state) or (rung and _is_due(state.next_look_at)):
        await _look(state, by="webhook" if state.progress.claimed else "poll")
    elif state.remind_now or _is_due(state.next_reminder_at()):
        await _remind(state)
    if state.progress.ended is None:
        _go_on_waiting(state)


def _is_called_for(state: AgreementState) -> bool:
    """Whether to ask the provider now: an end was claimed, or somebody's turn to be invited has come."""
    return bool(state.progress.claimed) or state.invitations.is_new_turn(state.progress)


def _is_due(moment: datetime | None) -> bool:
    return moment is not None and workflow.now() >= moment


def _go_on_waiting(state: AgreementState) -> None:
    stage = Stage.FINALIZATION_FAILED if state.progress.finalization_failed else Stage.AWAITING_SIGNATURES
    state.enter(stage, WaitingFor.OPERATOR if state.attention() else WaitingFor.SIGNATURES)
    state.publish()


async def _look(state: AgreementState, *, by: ResolvedBy) -> None:
    """Ask the provider; a document said to be completed is archived in the same step."""
    if EventKind.COMPLETED in state.progress.claimed:
        await confirm_and_archive(state, by=by)
        if not state.progress.claimed:  # it was too early: the provider says otherwise, still
            state.looks = 0
    if state.progress.claimed or by == "poll":
        await _ask(state, by=by)
    if state.trouble is None:
        await invite(state)
    _plan_next_look(state)


async def _ask(state: AgreementState, *, by: ResolvedBy) -> None:
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


async def _expire(state: AgreementState) -> None:
    """End at the deadline; a signature that came in time still counts."""
    await _ask(state, by="poll")
    if state.progress.ended is None:
        state.deadline_passed = True
        await _void(state, "The deadline for signing has passed.")


async def _void(state: AgreementState, reason: str) -> None:
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
    await _ask(state, by="poll" if state.deadline_passed else "operator")
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


async def _remind(state: AgreementState) -> None:
    """Remind once; a reminder that may have gone out is not repeated."""
    state.remind_now = False
    state.reminders += 1
    try:
        await workflow.execute_activity_method(
            SignatureActivities.remind,
            RemindInput(
                reference=state.agreement.reference,
                tag=state.tag,
                document_id=state.document(),
                number=state.reminders,
            ),
            **at_provider(policies.REMIND, "remind whoever has not signed", pace=state.pace),
        )
        state.note("reminded")
    except ActivityError as error:
        state.fail("a reminder failed", error)


def _obey(state: AgreementState) -> None:
    """Do what a person decided about another document, or about a failed finalisation."""
    if state.resolution is None:
        return
    resolution, _ = state.resolution
    state.resolution = None
    state.note(f"resolved: {resolution.action}")
    if resolution.action == "abandon":
        raise EndedEarlyError(Outcome.ABANDONED, by="operator", reason="abandoned")
    if not state.uncertain_invitations():
        state.dismissed |= state.progress.others
        return
    state.trouble = None
    if resolution.action == "keep":
        state.invitations = state.invitations.settle(state.invitations.in_doubt(state.progress))
    else:
        state.invitations = state.invitations.retry()
        state.next_look_at = workflow.now()  # to invite whoever the provider then says has not been
