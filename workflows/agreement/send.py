"""The send of an agreement's document: what `countersign/workflow/once.py` needs to do it exactly once."""

import contextlib
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.requests import SendableSource, Sent
from countersign.agreements.messages import Outcome, Stage, TemplateSource, WaitingFor
from countersign.workflow.failures import Effect, began_before, effect
from countersign.workflow.once import Found, Once
from workflows.agreement import policies, steps
from workflows.agreement.state import AgreementState, EndedUnconfirmedError
from workflows.timer import Due, UpdatableTimer

_FAILURES: Final = {
    Effect.NOT_SENT: "not sent",
    Effect.POSTPONED: "the provider postponed the send",
    Effect.REJECTED: "the provider refused the send",
    Effect.UNKNOWN: "outcome of sending unknown",
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
    send = _Send(state, source)
    try:
        await send.run()
    finally:
        send.deadline.cancel()
    _note_sent(state)


async def find_lost_document(state: AgreementState) -> None:
    """Find the document of the lost agreement that this one continues; without one, ask a person.

    It never sends by itself, even if the search proves that the provider has no document: the lost agreement
    may have ended long ago, and the provider may have deleted its document since.

    Raises:
        EndedUnconfirmedError: A person abandoned it.
    """
    if state.recovered is None:
        return
    state.may_have_sent = True
    state.carry(sends=state.recovered.sends, sent_at=state.carried.claimed_at)
    state.note("recovered from the store")
    state.enter(Stage.SENDING, WaitingFor.PROVIDER)
    send = _Send(state, state.agreement.source)
    if await send.first_of(state.recovered.documents) is None:
        sent, found = await send.find()
        if sent is None:
            await send.ask(found)
    if state.progress.document_id is not None:
        state.carry(next_check_at=state.carried.known_time)  # it may have ended while it was lost
        _note_sent(state)


def _note_sent(state: AgreementState) -> None:
    state.carry(trouble=None)
    state.note("prepared for review" if state.in_review() else "sent")


class _Send(Once[Sent]):
    """The send of one document; what it returns is adopted already."""

    def __init__(self, state: AgreementState, source: SendableSource) -> None:
        super().__init__(attempts=state.carried.sends, time_scale=state.carried.time_scale)
        self._state = state
        self._source = source
        self.deadline = UpdatableTimer()
        self._has_begun = False

    async def attempt(self, number: int) -> Sent:
        """Make one attempt. A void cancels it while it is scheduled, or revokes it while it generates.

        Generating may take long. A void that was requested before cancels the attempt at once, and
        `before_repeat` ends the agreement. An attempt that generates may be scheduled again after its worker
        died in the send: then it cannot be revoked, and its cancellation says nothing of what was sent.
        """
        state = self._state
        self._has_begun = False
        state.carry(sends=number, sent_at=workflow.now())
        sending = steps.start_send(state, self._source, attempt=number)
        await workflow.wait_condition(lambda: sending.done() or state.is_void_requested())
        if not sending.done():
            sending.cancel()
            if isinstance(self._source, TemplateSource) and await self.revoke(number):
                with contextlib.suppress(ActivityError):
                    await sending  # whatever it reports is about generating: it cannot send any more
                state.end_if_void_requested()
            else:
                self._has_begun = isinstance(self._source, TemplateSource)
        sent = await sending
        state.adopt(sent)
        return sent

    async def revoke(self, number: int) -> bool:
        """Revoke an attempt; False if it had begun, or if the store does not tell."""
        try:
            return await steps.revoke_send(self._state, attempt=number)
        except ActivityError:
            return False

    async def search(self, after: Effect) -> Found:
        """Search the provider. If a search after a status cannot be made, the reference stays claimed."""
        if self._state.carried.sent_at is None:
            raise RuntimeError("evidence is searched for before the send")
        policy = policies.SEARCH_REFUSED if after is Effect.REJECTED else policies.SEARCH
        since = self._state.carried.sent_at - policies.CLOCK_SKEW
        try:
            result = await steps.search(self._state, since, policy)
        except ActivityError as error:
            if after is not Effect.UNKNOWN:
                self._state.may_have_sent = True
                self._state.fail("the search for evidence failed", error)
            raise
        for evidence in result.evidence:
            self._state.note(f"evidence: {evidence}")
        return Found(result.candidates, result.is_conclusive, result.evidence)

    async def identify(self, candidate: str) -> Sent | None:
        """Adopt a document if it is this agreement's; record and show it if it is not."""
        state = self._state
        if candidate == state.carried.reviewed:
            return None
        try:
            identity = await steps.identify(state, candidate)
        except ActivityError as error:
            if effect(error) is Effect.CANCELLED:
                raise
            state.fail(f"{candidate} cannot be checked", error)
            state.distrust(candidate, "cannot be checked")
            return None
        if identity.sent is not None:
            state.adopt(identity.sent)
            state.note("adopted the document that the evidence shows")
        elif candidate not in state.carried.differing:
            state.distrust(candidate, f"differs in {' and '.join(identity.differs)}")
        return identity.sent

    async def ask(self, found: Found) -> Sent | None:
        """Ask a person, until one decides or an event names the document."""
        state = self._state
        searched = f" ({'; '.join(found.evidence)})" if found.evidence else ""
        state.may_have_sent = True
        state.enter(Stage.SENDING, WaitingFor.OPERATOR)
        while True:
            question = (
                f"It is not known whether the document was sent{searched}: look at the provider, then "
                "resolve with adopt, send_again or abandon."
            )
            state.carry(trouble=" ".join(filter(None, (question, state.differences()))))
            state.update_details()
            state.update_search_attributes()
            await workflow.wait_condition(lambda: state.resolution is not None or bool(self.hints()))
            if state.resolution is not None:
                _, sent = state.take_resolution()
                if sent is not None:
                    state.adopt(sent)
                state.carry(trouble=None)
                return sent
            if sent := await self.first_of(self.hints()):
                return sent

    def has_begun(self) -> bool:
        """Whether the attempt that was cancelled could not be revoked."""
        return self._has_begun

    def hints(self) -> tuple[str, ...]:
        """Return the documents that events name with our marker."""
        return self._state.unidentified()

    def is_in_doubt(self) -> bool:
        """Whether there are other documents with our marker."""
        return bool(self._state.candidates())

    def is_called_off(self) -> bool:
        """Whether it is voided, or its deadline has passed."""
        return self._state.is_void_requested() or self.deadline.fired is not None

    def before_wait(self) -> None:
        """Set a timer for the deadline, from the first failure on: whether it has passed is recorded."""
        self._state.update_search_attributes()
        if self._state.agreement.deadline is not None:
            self.deadline.set(Due(self._state.agreement.deadline, "deadline"))

    def before_repeat(self) -> None:
        """End an agreement that has sent nothing, if it is voided or its deadline has passed."""
        self._state.end_if_void_requested()
        if self.deadline.fired is not None:
            raise EndedUnconfirmedError(Outcome.EXPIRED, by="poll", reason="deadline passed")

    def on_failure(self, outcome: Effect) -> None:
        """Count the document as generated, unless it could not be."""
        if outcome is not Effect.UNUSABLE:
            self._state.enter(Stage.SENDING, WaitingFor.PROVIDER)

    def on_outcome(self, outcome: Effect, error: ActivityError) -> None:
        """Record what the send may have done."""
        if outcome is Effect.UNKNOWN:
            self._state.may_have_sent = True
        if outcome in _FAILURES:
            self._state.fail(_FAILURES[outcome], error)
        if outcome is Effect.UNKNOWN:
            self._state.began_at(began_before(error))

    def on_disproof(self) -> None:
        """Record that nothing was sent."""
        self._state.note("nothing was sent: the search is conclusive")
