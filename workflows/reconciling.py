"""Learning what became of a send: by events with our marker, by the provider's delivery log, by a person."""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import policies
from workflows.messages import Stage, WaitingFor
from workflows.state import AgreementState
from workflows.steps import Verdict, at_provider, verdict
from workflows.tasks import IdentifyInput, SearchInput, SearchResult, Sent

with workflow.unsafe.imports_passed_through():
    from activities.signatures import SignatureActivities

_CLOCK_SKEW: Final = timedelta(minutes=5)
"""The provider's clock may be behind ours; its delivery log is read from this long before the send."""


async def learn_outcome(state: AgreementState) -> None:
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
        _, sent = state.take_resolution()
        if sent is not None:
            state.adopt(sent)
        state.trouble = None
        return
