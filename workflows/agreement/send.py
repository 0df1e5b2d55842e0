"""Send once: one attempt, then a search for evidence, then an operator's decision.

The provider takes no idempotency key, so an attempt that may have gone out is never repeated blindly. A
status is no evidence either: a 4xx or 429 can come from a gateway after the provider has sent the document.
"""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.requests import SearchResult, SendableSource, Sent
from countersign.agreements.messages import Outcome, Stage, TemplateSource, WaitingFor
from workflows.agreement import policies, steps
from workflows.agreement.policies import Policy
from workflows.agreement.state import AgreementState, EndedUnconfirmedError
from workflows.failures import Effect, as_failure, began_before, effect, is_reported
from workflows.timer import Due, UpdatableTimer

_FAILURES: Final = {
    Effect.NOT_SENT: "not sent",
    Effect.POSTPONED: "the provider postponed the send",
    Effect.REJECTED: "the provider refused the send",
}


async def send_once(state: AgreementState, source: SendableSource) -> None:
    """Send the document, exactly once, and learn its id.

    The first attempt of a document from a template counts as generating.

    Raises:
        EndedUnconfirmedError: Voided, expired or abandoned before anything was sent.
        ApplicationError: The provider rejected it.
    """
    if not isinstance(source, TemplateSource):
        state.enter(Stage.SENDING, WaitingFor.PROVIDER)
    deadline = UpdatableTimer()
    try:
        while state.progress.document_id is None:
            attempt = state.carried.sends + 1
            state.carry(sends=attempt, sent_at=workflow.now())
            try:
                state.adopt(await _send(state, source, attempt))
            except ActivityError as error:
                if effect(error) is not Effect.UNUSABLE:
                    state.enter(Stage.SENDING, WaitingFor.PROVIDER)
                await _after_failure(state, error, deadline)
    finally:
        deadline.cancel()
    state.trouble = None
    state.note("prepared for review" if state.in_review() else "sent")


async def _send(state: AgreementState, source: SendableSource, attempt: int) -> Sent:
    """Make one attempt. A void revokes it while it generates, which may take long."""
    sending = steps.start_send(state, source, attempt=attempt)
    await workflow.wait_condition(lambda: sending.done() or state.is_void_requested())
    if not sending.done():
        sending.cancel()
        if isinstance(source, TemplateSource) and await _revoked(state, attempt):
            with contextlib.suppress(ActivityError):
                await sending  # whatever it reports is about generating: the send cannot begin any more
            state.end_if_voided()
    return await sending


async def _revoked(state: AgreementState, attempt: int) -> bool:
    """Revoke an attempt; False if it had begun, or if the store does not tell."""
    try:
        return await steps.revoke_send(state, attempt=attempt)
    except ActivityError:
        return False


async def _after_failure(state: AgreementState, error: ActivityError, deadline: UpdatableTimer) -> None:
    outcome = effect(error)
    if outcome is Effect.UNKNOWN and await _never_began(state, error):
        outcome = Effect.NOT_SENT
    if outcome is Effect.UNKNOWN:
        state.may_have_sent = True
        state.fail("outcome of sending unknown", error)
        state.began_at(began_before(error))
        if await _learn_outcome(state) is Effect.NOT_SENT:
            await _wait_to_repeat(state, error, deadline)
            _end_early(state, deadline)
    elif not await _look(state, outcome, error, deadline):
        if outcome is Effect.CANCELLED:
            state.end_if_voided()
        if outcome in {Effect.NOT_SENT, Effect.POSTPONED}:
            _end_early(state, deadline)
        if outcome in {Effect.POSTPONED, Effect.REJECTED} and state.differences():
            await _ask_a_person(state, ())
        elif outcome in {Effect.UNUSABLE, Effect.REJECTED}:
            raise as_failure(error) from error


async def _look(
    state: AgreementState, outcome: Effect, error: ActivityError, deadline: UpdatableTimer
) -> bool:
    """Search for a document before the send is repeated or fails; True if there is one."""
    if outcome in _FAILURES:
        state.fail(_FAILURES[outcome], error)
    if outcome in {Effect.NOT_SENT, Effect.POSTPONED}:
        await _wait_to_repeat(state, error, deadline)
    if outcome is Effect.POSTPONED:
        return await _found(state, policies.SEARCH)
    if outcome is Effect.REJECTED:
        return await _found(state, policies.SEARCH_REFUSED)
    return await _adopt_from(state, state.unidentified())


async def _never_began(state: AgreementState, error: ActivityError) -> bool:
    """Prove that a send never began, by revoking it.

    Temporal loses a task now and then, and a worker may die before it calls the provider. A send that reports
    an unknown outcome has begun.
    """
    return not is_reported(error) and await _revoked(state, state.carried.sends)


async def _wait_to_repeat(state: AgreementState, error: ActivityError, deadline: UpdatableTimer) -> None:
    """Wait before sending again, until the deadline at most, or until it is voided or an event comes.

    The deadline has a timer from the first such failure on: whether it has passed is recorded.
    """
    state.update_search_attributes()
    cause = error.cause
    requested = cause.next_retry_delay if isinstance(cause, ApplicationError) else None
    if state.agreement.deadline is not None:
        deadline.set(Due(state.agreement.deadline, "deadline"))
    await _waited_in_vain(
        lambda: state.is_void_requested() or deadline.fired is not None or bool(state.unidentified()),
        requested or state.scaled(policies.not_sent_delay(state.carried.sends)),
        "send again",
    )


def _end_early(state: AgreementState, deadline: UpdatableTimer) -> None:
    """End an agreement that has sent nothing, if it is voided or its deadline has passed."""
    state.end_if_voided()
    if deadline.fired is not None:
        raise EndedUnconfirmedError(Outcome.EXPIRED, by="poll", reason="deadline passed")


async def _waited_in_vain(condition: Callable[[], bool], limit: timedelta, purpose: str) -> bool:
    """Wait for a condition; True if the time is over first."""
    try:
        await workflow.wait_condition(condition, timeout=limit, timeout_summary=purpose)
    except TimeoutError:
        return True
    return False


# Evidence of a send


async def _found(state: AgreementState, policy: Policy) -> bool:
    """Search once, shortly after a status that denies the send, and adopt the document if there is one.

    If the search cannot be made, the status counts, and the reference stays claimed.
    """
    await _waited_in_vain(
        lambda: bool(state.unidentified()),
        state.scaled(policies.SETTLE_AFTER_STATUS),
        "look for evidence of the send",
    )
    if await _adopt_from(state, state.unidentified()):
        return True
    try:
        result = await _search(state, policy)
    except ActivityError as error:
        state.may_have_sent = True
        state.fail("the search for evidence failed", error)
    else:
        if await _adopt_from(state, result.candidates):
            return True
    return await _adopt_from(state, state.unidentified())


async def _learn_outcome(state: AgreementState) -> Effect | None:
    """Search over the settle window; return when the document is known or must be sent again.

    Returns:
        `NOT_SENT` if the last search proves it, which some providers' searches can; then no person is asked.
    """
    result: SearchResult | None = None
    for delay in policies.SETTLE:
        if await _adopt_from(state, state.unidentified()):
            return None
        if await _waited_in_vain(
            lambda: bool(state.unidentified()), state.scaled(delay), "look for evidence of the send"
        ):
            result = await _search(state, policies.SEARCH)
            if await _adopt_from(state, result.candidates):
                return None
    state.lost_sends += 1
    is_proven = result is not None and result.is_conclusive and not state.candidates()
    if is_proven and state.lost_sends < policies.LOST_SENDS:
        state.note("nothing was sent: the search is conclusive")
        return Effect.NOT_SENT
    await _ask_a_person(state, result.evidence if result else ())
    return None


async def _search(state: AgreementState, policy: Policy) -> SearchResult:
    if state.carried.sent_at is None:
        raise RuntimeError("evidence is searched for before the send")
    result = await steps.search(state, state.carried.sent_at - policies.CLOCK_SKEW, policy)
    for evidence in result.evidence:
        state.note(f"evidence: {evidence}")
    return result


async def _adopt_from(state: AgreementState, candidates: tuple[str, ...]) -> bool:
    """Adopt the first document that is this agreement's; record and show those that are not."""
    for document_id in candidates:
        if document_id == state.carried.reviewed:
            continue
        try:
            identity = await steps.identify(state, document_id)
        except ActivityError as error:
            if effect(error) is Effect.CANCELLED:
                raise
            state.dismiss(document_id)
            state.fail(f"not adopted: {document_id} cannot be checked", error)
            continue
        if identity.sent is not None:
            state.adopt(identity.sent)
            state.note("adopted the document that the evidence shows")
            return True
        if document_id not in state.carried.differing:
            state.distrust(document_id, identity.differs)
    return False


async def _ask_a_person(state: AgreementState, evidence: tuple[str, ...]) -> None:
    searched = f" ({'; '.join(evidence)})" if evidence else ""
    state.may_have_sent = True
    state.enter(Stage.SENDING, WaitingFor.OPERATOR)
    while True:
        question = (
            f"It is not known whether the document was sent{searched}: look at the provider, then resolve "
            "with adopt, send_again or abandon."
        )
        state.trouble = " ".join(filter(None, (question, state.differences())))
        state.update_details()
        state.update_search_attributes()
        await workflow.wait_condition(lambda: state.resolution is not None or bool(state.unidentified()))
        if state.resolution is None:
            if await _adopt_from(state, state.unidentified()):
                return
            continue
        _, sent = state.take_resolution()
        if sent is not None:
            state.adopt(sent)
        state.trouble = None
        return
