"""Awaiting signatures, for minutes or months: woken by webhooks, and by our own clock where they fail.

Whatever wakes it, only the provider's own answer ends the wait.
"""

from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import policies
from workflows.looking import look, plan_next_look
from workflows.messages import Stage, WaitingFor
from workflows.state import AgreementState
from workflows.steps import at_provider
from workflows.tasks import RemindInput
from workflows.timer import Due, UpdatableTimer
from workflows.voiding import expire, void

with workflow.unsafe.imports_passed_through():
    from activities.signatures import SignatureActivities

_LOOK: Final = "look at the provider"
_REMINDER: Final = "reminder"
_DEADLINE: Final = "deadline"

HISTORY_LIMIT: Final = 2000
"""Events after which an agreement continues as new: far below the server's warning at 10,240."""


async def await_end(state: AgreementState) -> bool:
    """Wait until the provider confirms an end; False if it is time to continue as new first.

    Each turn serves an event, a person's request or a timer that fired, and then waits for something new.
    What is due is known by which timer fired, never by the clock: a replay may see another clock.

    Raises:
        EndedEarlyError: A person abandoned the agreement.
    """
    _go_on_waiting(state)
    timer = UpdatableTimer()
    try:
        if state.progress.claimed:  # by events that came before the document's id was known, too
            await _serve(state, None)
        while state.progress.ended is None:
            if _history_is_long(state):
                return False
            timer.set(_next_due(state))
            await workflow.wait_condition(
                lambda: _has_news(state) or state.deadline_passed or timer.fired is not None
            )
            if timer.fired is not None:
                state.learn_time(timer.fired.at)
            await _serve(state, timer.fired)
    finally:
        timer.cancel()
    return True


def _has_news(state: AgreementState) -> bool:
    return bool(state.inbox or state.void_request or state.resolution or state.remind_now)


def _history_is_long(state: AgreementState) -> bool:
    info = workflow.info()
    is_long = info.is_continue_as_new_suggested() or info.get_current_history_length() > HISTORY_LIMIT
    return is_long and not _has_news(state) and workflow.all_handlers_finished()


def _next_due(state: AgreementState) -> Due:
    """Find what is due first: a look at the provider, a reminder, or the deadline."""
    if state.next_look_at is None:
        plan_next_look(state)
    due = [(state.next_look_at, _LOOK), (state.next_reminder_at(), _REMINDER)]
    due.append((state.agreement.deadline, _DEADLINE))
    return min(Due(at, purpose) for at, purpose in due if at is not None)


async def _serve(state: AgreementState, fired: Due | None) -> None:
    """Do the one thing that is most called for now.

    Where the provider was asked in vain about an end that an event claimed, a timer goes first: else it would
    be asked again and again.
    """
    state.take_in()
    purpose = fired.purpose if fired else None
    is_reminder_due = state.remind_now or purpose == _REMINDER
    is_claimed = bool(state.progress.claimed) and not (state.trouble and is_reminder_due)
    if state.resolution is not None:
        _obey(state)
    elif state.void_request is not None:
        await void(state, state.void_request.reason)
    elif state.deadline_passed or purpose == _DEADLINE:
        await expire(state)
    elif is_claimed or purpose == _LOOK:
        await look(state, by="webhook" if state.progress.claimed else "poll")
    elif is_reminder_due:
        await _remind(state)
    if state.progress.ended is None:
        _go_on_waiting(state)


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
