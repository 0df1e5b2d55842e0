"""Sending once: one attempt, and if its outcome is not known, evidence, and then a person.

The provider takes no idempotency key, so an attempt that may have gone out is never repeated by itself.
"""

import contextlib

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import policies
from workflows.messages import Outcome, Stage, WaitingFor
from workflows.reconciling import learn_outcome
from workflows.state import AgreementState, EndedEarlyError
from workflows.steps import Verdict, as_failure, at_provider, unless, verdict
from workflows.tasks import SendableSource, SendInput, Sent
from workflows.timer import Due, UpdatableTimer

with workflow.unsafe.imports_passed_through():
    from activities.signatures import SignatureActivities


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
            state.sends += 1
            state.sent_at = workflow.now()
            try:
                state.adopt(await unless(lambda: state.void_request is not None, _send(state, source)))
            except ActivityError as error:
                await _after_failure(state, error, deadline)
    finally:
        deadline.cancel()
    state.trouble = None
    state.note("sent")


def _send(state: AgreementState, source: SendableSource) -> workflow.ActivityHandle[Sent]:
    agreement = state.agreement
    return workflow.start_activity_method(
        SignatureActivities.send,
        SendInput(
            reference=agreement.reference,
            tag=state.tag,
            title=agreement.title,
            description=agreement.description,
            sender=agreement.sender,
            source=source,
            signers=agreement.signers,
            cc=agreement.cc,
            fields=agreement.fields,
            number=state.sends,
        ),
        **at_provider(policies.SEND, f"send to {len(agreement.signers)} signers, once", pace=state.pace),
    )


async def _after_failure(state: AgreementState, error: ActivityError, deadline: UpdatableTimer) -> None:
    match verdict(error):
        case Verdict.REFUSED:
            raise as_failure(error) from error
        case Verdict.CANCELLED:
            raise _voided(state)
        case Verdict.NOT_SENT:
            state.fail("not sent", error)
            state.publish()
            await _hold_back(state, error, deadline)
        case Verdict.UNKNOWN:
            state.may_have_sent = True
            state.fail("outcome of sending unknown", error)
            await learn_outcome(state)


async def _hold_back(state: AgreementState, error: ActivityError, deadline: UpdatableTimer) -> None:
    """Wait before sending again what provably never left.

    The deadline has a timer of its own from the first such failure on: whether it has passed is recorded.
    """
    cause = error.cause
    asked = cause.next_retry_delay if isinstance(cause, ApplicationError) else None
    delay = asked or state.paced(policies.not_sent_delay(state.sends))
    if state.agreement.deadline is not None:
        deadline.set(Due(state.agreement.deadline, "deadline"))
    with contextlib.suppress(TimeoutError):
        await workflow.wait_condition(
            lambda: state.void_request is not None or deadline.fired is not None,
            timeout=delay,
            timeout_summary="send again",
        )
    if state.void_request is not None:
        raise _voided(state)
    if deadline.fired is not None:
        raise EndedEarlyError(Outcome.EXPIRED, by="poll", reason="deadline passed")


def _voided(state: AgreementState) -> EndedEarlyError:
    request = state.void_request
    return EndedEarlyError(Outcome.VOIDED, by="operator", reason=request.reason if request else "cancelled")
