"""Send once: one attempt, and if its outcome is unknown, evidence, and then a person.

The provider takes no idempotency key, so an attempt that may have gone out is never repeated blindly.
"""

import contextlib
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.requests import SearchResult, SendableSource, Sent
from countersign.agreements.messages import Outcome, Stage, WaitingFor
from workflows.agreement import policies, steps
from workflows.agreement.state import AgreementState, EndedEarlyError
from workflows.failures import Effect, as_failure, began_before, effect, is_reported
from workflows.timer import Due, UpdatableTimer

_CLOCK_SKEW: Final = timedelta(minutes=5)
"""The provider's clock may be behind ours; its delivery log is read from this long before the send."""


async def send_once(state: AgreementState, source: SendableSource) -> None:
    """Ask the provider for signatures, exactly once, and learn the document's id.

    Raises:
        EndedEarlyError: Voided, expired or abandoned before anything was sent.
        ApplicationError: The provider refused it.
    """
    state.enter(Stage.SENDING, WaitingFor.PROVIDER)
    deadline = UpdatableTimer()
    try:
        while state.progress.document_id is None:
            state.carry(sends=state.carried.sends + 1, sent_at=workflow.now())
            try:
                state.adopt(await steps.unless(state.is_void_requested, steps.start_send(state, source)))
            except ActivityError as error:
                await _after_failure(state, error, deadline)
    finally:
        deadline.cancel()
    state.trouble = None
    state.note("sent")


async def identify(state: AgreementState, document_id: str) -> Sent | None:
    """Check with the provider that a document is ours; None if it is not."""
    try:
        return await steps.identify(state, document_id)
    except ActivityError as error:
        if effect(error) is Effect.CANCELLED:
            raise
        state.dismiss(document_id)
        return None


async def _after_failure(state: AgreementState, error: ActivityError, deadline: UpdatableTimer) -> None:
    outcome = effect(error)
    if outcome is Effect.UNKNOWN and await _never_began(state, error):
        outcome = Effect.NOT_SENT
    match outcome:
        case Effect.REFUSED:
            raise as_failure(error) from error
        case Effect.CANCELLED:
            raise _voided(state)
        case Effect.NOT_SENT:
            state.fail("not sent", error)
            state.publish()
            await _hold_back(state, error, deadline)
        case Effect.UNKNOWN:
            state.may_have_sent = True
            state.fail("outcome of sending unknown", error)
            state.began_at(began_before(error))
            await _learn_outcome(state)


async def _never_began(state: AgreementState, error: ActivityError) -> bool:
    """Prove that a send never began, by keeping it from beginning.

    Temporal loses a task now and then, and a worker may die before it calls the provider. A send that reports
    an unknown outcome has begun.
    """
    if is_reported(error):
        return False
    try:
        return await steps.revoke_send(state)
    except ActivityError:
        return False


async def _hold_back(state: AgreementState, error: ActivityError, deadline: UpdatableTimer) -> None:
    """Wait before sending again what provably never left.

    The deadline has a timer of its own from the first such failure on: whether it has passed is recorded.
    """
    cause = error.cause
    asked = cause.next_retry_delay if isinstance(cause, ApplicationError) else None
    delay = asked or state.scaled(policies.not_sent_delay(state.carried.sends))
    if state.agreement.deadline is not None:
        deadline.set(Due(state.agreement.deadline, "deadline"))
    with contextlib.suppress(TimeoutError):
        await workflow.wait_condition(
            lambda: state.is_void_requested() or deadline.fired is not None,
            timeout=delay,
            timeout_summary="send again",
        )
    if state.is_void_requested():
        raise _voided(state)
    if deadline.fired is not None:
        raise EndedEarlyError(Outcome.EXPIRED, by="poll", reason="deadline passed")


def _voided(state: AgreementState) -> EndedEarlyError:
    request = state.void_request
    return EndedEarlyError(Outcome.VOIDED, by="operator", reason=request.reason if request else "cancelled")


# What became of a send of unknown outcome


async def _learn_outcome(state: AgreementState) -> None:
    """Find out what became of a send; return when the document is known or a person says: send again."""
    evidence: tuple[str, ...] = ()
    for delay in policies.SETTLE:
        if await _adopt_from(state, state.candidates()):
            return
        if await _waited_in_vain(state, state.scaled(delay)):
            result = await _search(state)
            if await _adopt_from(state, result.candidates):
                return
            evidence = result.evidence
    await _ask_a_person(state, evidence)


async def _waited_in_vain(state: AgreementState, delay: timedelta) -> bool:
    try:
        await workflow.wait_condition(
            lambda: bool(state.candidates()), timeout=delay, timeout_summary="look for evidence of the send"
        )
    except TimeoutError:
        return True
    return False


async def _search(state: AgreementState) -> SearchResult:
    if state.carried.sent_at is None:
        raise RuntimeError("evidence is searched for before the send")
    result = await steps.search(state, state.carried.sent_at - _CLOCK_SKEW)
    for evidence in result.evidence:
        state.note(f"evidence: {evidence}")
    return result


async def _adopt_from(state: AgreementState, candidates: tuple[str, ...]) -> bool:
    for document_id in candidates:
        sent = await identify(state, document_id)
        if sent is not None:
            state.adopt(sent)
            state.note("adopted what the evidence showed")
            return True
    return False


async def _ask_a_person(state: AgreementState, evidence: tuple[str, ...]) -> None:
    searched = f" ({'; '.join(evidence)})" if evidence else ""
    state.trouble = (
        f"It is not known whether the document was sent{searched}: look at the provider, then resolve with "
        "adopt, send_again or abandon."
    )
    state.enter(Stage.SENDING, WaitingFor.OPERATOR)
    state.publish()
    while True:
        await workflow.wait_condition(lambda: state.resolution is not None or bool(state.candidates()))
        if state.resolution is None:
            if await _adopt_from(state, state.candidates()):
                return
            continue
        _, sent = state.take_resolution()
        if sent is not None:
            state.adopt(sent)
        state.trouble = None
        return
