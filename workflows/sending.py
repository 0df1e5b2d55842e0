"""Sending once: one attempt, and if its outcome is not known, evidence, and then a person.

The provider takes no idempotency key, so an attempt that may have gone out is never repeated by itself.
"""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import policies
from workflows.messages import Outcome, Stage, WaitingFor
from workflows.state import AgreementState, EndedEarlyError
from workflows.steps import Verdict, as_failure, at_provider, unless, verdict
from workflows.tasks import IdentifyInput, SearchInput, SearchResult, SendableSource, SendInput, Sent

with workflow.unsafe.imports_passed_through():
    from activities.signatures import SignatureActivities

_CLOCK_SKEW: Final = timedelta(minutes=5)
"""The provider's clock may be behind ours; its delivery log is read from this long before the send."""


async def send_once(state: AgreementState, source: SendableSource) -> None:
    """Ask the provider for signatures, exactly once, and learn the document's id.

    Raises:
        EndedEarlyError: Voided, expired or abandoned before anything was sent.
        ApplicationError: The provider refused it.
    """
    state.enter(Stage.SENDING, WaitingFor.PROVIDER)
    while state.progress.document_id is None:
        state.sends += 1
        state.sent_at = workflow.now()
        try:
            state.adopt(await unless(lambda: state.void_request is not None, _send(state, source)))
        except ActivityError as error:
            await _after_failure(state, error)
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
            deadline=agreement.deadline,
            number=state.sends,
            silent=state.invitations.apart,
        ),
        **at_provider(policies.SEND, f"send to {len(agreement.signers)} signers, once", pace=state.pace),
    )


async def _after_failure(state: AgreementState, error: ActivityError) -> None:
    match verdict(error):
        case Verdict.REFUSED:
            raise as_failure(error) from error
        case Verdict.CANCELLED:
            raise _voided(state)
        case Verdict.NOT_SENT:
            state.fail("not sent", error)
            state.publish()
            await _hold_back(state, error)
        case Verdict.UNKNOWN:
            state.may_have_sent = True
            state.fail("outcome of sending unknown", error)
            await _learn_outcome(state)


async def _hold_back(state: AgreementState, error: ActivityError) -> None:
    """Wait before sending again what provably never left."""
    cause = error.cause
    asked = cause.next_retry_delay if isinstance(cause, ApplicationError) else None
    delay = asked or state.paced(policies.not_sent_delay(state.sends))
    try:
        await workflow.wait_condition(
            lambda: state.void_request is not None, timeout=delay, timeout_summary="send again"
        )
    except TimeoutError:
        if state.deadline_is_past():
            raise EndedEarlyError(Outcome.EXPIRED, by="poll", reason="deadline passed") from None
    else:
        raise _voided(state)


async def _learn_outcome(state: AgreementState) -> None:
    """Find out what became of a send; returns when the document is known or a person says: send again."""
    evidence: tuple[str, ...] = ()
    for delay in policies.SETTLE:
        if await _adopt_from(state, state.candidates()):
            return
        if await _waited_in_vain(state, state.paced(delay)):
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
    if state.sent_at is None:
        raise RuntimeError("evidence is searched for before the send")
    result = await workflow.execute_activity_method(
        SignatureActivities.search,
        SearchInput(reference=state.agreement.reference, tag=state.tag, since=state.sent_at - _CLOCK_SKEW),
        **at_provider(policies.SEARCH, "look for evidence of the send", pace=state.pace),
    )
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


async def identify(state: AgreementState, document_id: str) -> Sent | None:
    """Check with the provider that a document is ours: marker, tag and recipients; None if it is not."""
    try:
        return await workflow.execute_activity_method(
            SignatureActivities.identify,
            IdentifyInput(
                reference=state.agreement.reference,
                tag=state.tag,
                document_id=document_id,
                signers=state.agreement.signers,
            ),
            **at_provider(policies.IDENTIFY, "check whether a document is ours", pace=state.pace),
        )
    except ActivityError as error:
        if verdict(error) is Verdict.CANCELLED:
            raise
        state.dismissed |= {document_id}
        return None


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
        resolution, sent = state.resolution
        state.resolution = None
        state.note(f"resolved: {resolution.action}")
        if resolution.action == "abandon":
            raise EndedEarlyError(Outcome.ABANDONED, by="operator", reason="abandoned")
        if sent is not None:
            state.adopt(sent)
        state.trouble = None
        return


def _voided(state: AgreementState) -> EndedEarlyError:
    request = state.void_request
    return EndedEarlyError(Outcome.VOIDED, by="operator", reason=request.reason if request else "cancelled")
