"""Await signatures, for minutes or months: webhooks wake it, and timers where webhooks fail.

Only the provider's API ends the wait.
"""

import contextlib
from enum import Enum, auto
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from countersign.agreements.events import EventKind
from countersign.agreements.messages import ResolvedBy, Stage, WaitingFor
from workflows.agreement import policies, steps
from workflows.agreement.archive import confirm_and_archive
from workflows.agreement.callbacks import due_callbacks
from workflows.agreement.state import AgreementState
from workflows.timer import Due, UpdatableTimer

_CHECK: Final = "check with the provider"
_REMINDER: Final = "reminder"
_DEADLINE: Final = "deadline"

HISTORY_LIMIT: Final = 2000
"""Events after which an agreement continues as new: far below the server's warning at 10,240."""


class Wait(Enum):
    """Why the wait is over."""

    ENDED = auto()
    HISTORY_IS_LONG = auto()
    SEND_AFTER_REVIEW = auto()


async def await_end(state: AgreementState) -> Wait:
    """Wait until the provider confirms an end, or it is time to continue as new or to send after a review.

    Every turn of the loop serves an event, an operator's request or a timer that fired, then waits for the
    next one. The timer that fired decides what is due, never the clock: a replay may see another clock.

    Raises:
        EndedUnconfirmedError: A person abandoned the agreement.
    """
    _go_on_waiting(state)
    timer = UpdatableTimer(usual=_CHECK)
    try:
        if state.progress.reported_ends:  # also by events that came before the document's id was known
            await _serve(state, None)
        while state.progress.ended is None:
            if state.progress.document_id is None:
                return Wait.SEND_AFTER_REVIEW
            if _history_is_long(state):
                return Wait.HISTORY_IS_LONG
            timer.set(_next_due(state))
            await workflow.wait_condition(
                lambda: _has_news(state) or state.carried.deadline_passed or timer.fired is not None
            )
            if timer.fired is not None:
                state.learn_time(timer.fired.at)
            await _serve(state, timer.fired)
    finally:
        if state.replays_old_history or state.archive is None:  # the end of the workflow stops a timer, too
            timer.cancel()
    return Wait.ENDED


def _has_news(state: AgreementState) -> bool:
    return state.is_void_requested() or _has_news_of_this_run(state)


def _has_news_of_this_run(state: AgreementState) -> bool:
    """Whether there is news that the next run would not know."""
    return bool(state.inbox or state.resolution or state.remind_now or state.unwatched_at)


def _history_is_long(state: AgreementState) -> bool:
    info = workflow.info()
    is_long = info.is_continue_as_new_suggested() or info.get_current_history_length() > HISTORY_LIMIT
    is_quiet = not _has_news_of_this_run(state) and not due_callbacks(state)
    return is_long and is_quiet and workflow.all_handlers_finished()


def _next_due(state: AgreementState) -> Due:
    """Find what is due first: a check with the provider, a reminder, or the deadline."""
    if state.carried.next_check_at is None:
        _plan_next_check(state)
    due = [(state.carried.next_check_at, _CHECK), (state.next_reminder_at(), _REMINDER)]
    due.append((state.agreement.deadline, _DEADLINE))
    return min(Due(at, purpose) for at, purpose in due if at is not None)


async def _serve(state: AgreementState, fired: Due | None) -> None:
    """Do what is most urgent.

    If a check did not confirm the end that an event claimed, a reminder that is due goes first; otherwise the
    checks would repeat without end.
    """
    state.take_in()
    state.rely_on_checks()
    purpose = fired.purpose if fired else None
    is_reminder_due = state.remind_now or purpose == _REMINDER
    is_claimed = bool(state.progress.reported_ends) and not (state.carried.trouble and is_reminder_due)
    if state.resolution is not None:
        await _obey(state)
    elif state.carried.void_request is not None:
        await _void(state, state.carried.void_request.reason)
    elif state.carried.deadline_passed or purpose == _DEADLINE:
        await _expire(state)
    elif is_claimed or purpose == _CHECK:
        await _check(state, by=state.carried.end_reported_by if state.progress.reported_ends else "poll")
    elif is_reminder_due:
        await _remind(state)
    if state.progress.ended is None and state.progress.document_id is not None:
        _go_on_waiting(state)


def _go_on_waiting(state: AgreementState) -> None:
    if state.in_review() and state.progress.was_sent:
        state.end_review()
    if state.in_review():
        state.enter(Stage.IN_REVIEW, WaitingFor.OPERATOR)
        state.update_search_attributes()
        return
    stage = Stage.FINALIZATION_FAILED if state.progress.finalization_failed else Stage.AWAITING_SIGNATURES
    state.enter(stage, WaitingFor.OPERATOR if state.attention() else WaitingFor.SIGNATURES)
    state.update_search_attributes()


async def _obey(state: AgreementState) -> None:
    """Apply an operator's decision about a review, another document, or a failed finalization."""
    resolution, _ = state.take_resolution()
    if resolution.action == "send_now":
        await _replace_reviewed(state)
    else:
        state.dismiss(*state.progress.others)


async def _replace_reviewed(state: AgreementState) -> None:
    """Void the reviewed document, so that it is sent anew: the provider's API cannot send it.

    A person may have sent it meanwhile; then signers read the reason, and get the document once more.
    """
    try:
        await steps.void(state, "The review is over; the document follows.")
    except ActivityError as error:
        state.fail("the provider rejected the void", error)
    try:
        seen = await steps.fetch_state(state)
    except ActivityError as error:
        state.fail("the provider did not return the document's state", error)
        return
    if seen.status == EventKind.VOIDED:
        state.learn_time(seen.at)
        state.replace_reviewed()
    else:
        state.observe(seen, by="operator")


async def _remind(state: AgreementState) -> None:
    """Remind once; a reminder that may have been sent is not repeated."""
    state.remind_now = False
    number = state.carried.reminders + 1
    state.carry(reminders=number)
    try:
        reminded = await steps.remind(state, number=number)
        state.carry(reminded_at=reminded and reminded.at)
        state.note("reminded")
    except ActivityError as error:
        state.fail("a reminder failed", error)


# Checking with the provider


async def _check(state: AgreementState, *, by: ResolvedBy) -> None:
    """Check with the provider; archive in the same step if an event claims completion."""
    if EventKind.COMPLETED in state.progress.reported_ends:
        await confirm_and_archive(state, by=by)
        if not state.progress.reported_ends:  # the provider does not confirm it yet
            state.carry(checks=0)
    if state.progress.reported_ends or by == "poll":
        await _fetch_state(state, by=by)
    if by != "poll" and state.progress.ended is None:
        state.carry(unconfirmed=True)
    _plan_next_check(state)


async def _fetch_state(state: AgreementState, *, by: ResolvedBy) -> None:
    """Get the document's state; if the provider does not return it, an operator must check."""
    try:
        seen = await steps.fetch_state(state)
    except ActivityError as error:
        state.fail("the provider did not return the document's state", error)
        state.carry(
            trouble="The provider did not return the document's state: check it there, then void or abandon."
        )
    else:
        state.carry(trouble=None)
        if seen.watched != state.carried.watched:
            state.carry(watched=seen.watched, checks=0 if seen.watched else policies.HOURLY)
        state.observe(seen, by=by)


def _plan_next_check(state: AgreementState) -> None:
    """Plan the next check with the provider; the waits grow.

    The wait starts from a recorded time, so that a replay plans the same.
    """
    carried = state.carried
    watched = carried.watched and not carried.unconfirmed and not state.in_review()
    wait = policies.until_next_check(carried.checks, carried.longest_check_wait, watched=watched)
    if state.progress.finalization_failed:
        wait = policies.FINALIZATION_FAILED
    at = state.carried.known_time + state.scaled(wait)
    state.carry(checks=state.carried.checks + 1, next_check_at=at)


# Voiding, for an operator or at the deadline


async def _expire(state: AgreementState) -> None:
    """End at the deadline; a signature that came in time still counts."""
    await _fetch_state(state, by="poll")
    if state.progress.ended is None:
        state.carry(deadline_passed=True)
        await _void(state, "The deadline for signing has passed.")


async def _void(state: AgreementState, reason: str) -> None:
    """Void at the provider and confirm it; a document that ended before keeps its end."""
    state.reason = reason
    try:
        await steps.void(state, reason)
        state.note("voided")
    except ActivityError as error:
        state.fail("the provider rejected the void", error)
    await _fetch_state(state, by="poll" if state.carried.deadline_passed else "operator")
    if state.progress.ended is None:
        await _pause(state)


async def _pause(state: AgreementState) -> None:
    """Wait an hour before voiding again, or until an event or a decision comes."""
    state.carry(trouble="The provider does not void the document; the worker retries every hour.")
    state.update_search_attributes()
    with contextlib.suppress(TimeoutError):
        await workflow.wait_condition(
            lambda: bool(state.inbox or state.resolution),
            timeout=state.scaled(policies.VOID_AGAIN),
            timeout_summary="void again",
        )
    state.carry(trouble=None)
