"""Awaiting signatures, for minutes or months: woken by webhooks, and by our own clock where they fail.

Whatever wakes it, only the provider's own answer ends the wait.
"""

from datetime import datetime
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import policies
from workflows.alarm import Alarm
from workflows.looking import look, plan_next_look
from workflows.messages import Stage, WaitingFor
from workflows.state import AgreementState
from workflows.steps import at_provider
from workflows.tasks import RemindInput
from workflows.voiding import expire, void

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
        plan_next_look(state)
    due = [(state.next_look_at, "look at the provider"), (state.next_reminder_at(), "reminder")]
    due.append((state.agreement.deadline, "deadline"))
    return min((moment, summary) for moment, summary in due if moment is not None)


async def _serve(state: AgreementState, *, rung: bool) -> None:
    """Do the one thing that is most called for now."""
    state.take_in()
    if state.resolution is not None:
        _obey(state)
    elif state.void_request is not None:
        await void(state, state.void_request.reason)
    elif state.deadline_is_past():
        await expire(state)
    elif _is_called_for(state) or (rung and _is_due(state.next_look_at)):
        await look(state, by="webhook" if state.progress.claimed else "poll")
    elif _reminder_is_due(state):
        await _remind(state)
    if state.progress.ended is None:
        _go_on_waiting(state)


def _is_called_for(state: AgreementState) -> bool:
    """Whether to ask the provider now: an end was claimed.

    Where it was asked in vain a reminder that is due goes first: it would ring again at once.
    """
    return bool(state.progress.claimed) and not (state.trouble and _reminder_is_due(state))


def _reminder_is_due(state: AgreementState) -> bool:
    return state.remind_now or _is_due(state.next_reminder_at())


def _is_due(moment: datetime | None) -> bool:
    return moment is not None and workflow.now() >= moment


def _go_on_waiting(state: AgreementState) -> None:
    stage = Stage.FINALIZATION_FAILED if state.progress.finalization_failed else Stage.AWAITING_SIGNATURES
    state.enter(stage, WaitingFor.OPERATOR if state.attention() else WaitingFor.SIGNATURES)
    state.publish()


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
    state.take_resolution()
    state.dismissed |= state.progress.others
