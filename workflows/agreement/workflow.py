"""AgreementWorkflow: one business document that some people must sign, from draft to archive.

Started by name from any language, with `AgreementInput` as JSON and the workflow id `agreement-<reference>`.
"""

import asyncio

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

from activities.requests import SendableSource, Sent
from countersign.agreements import search_attributes
from countersign.agreements.events import SignatureEvent
from countersign.agreements.failures import NOTHING_SENT
from countersign.agreements.messages import (
    AgreementResult,
    AgreementStatus,
    CallbackAddress,
    CircuitStatus,
    DeliverableSource,
    Outcome,
    Resolution,
    Stage,
    TemplateSource,
    TimelineEntry,
    Unwatched,
    VoidRequest,
)
from countersign.agreements.names import CHANGE_CALLBACK, CIRCUIT_QUERY, UNWATCHED, WORKFLOW_NAME
from countersign.agreements.validation import problems
from countersign.workflow.failures import as_failure, reason
from workflows.agreement import steps
from workflows.agreement.archive import archive_if_completed
from workflows.agreement.callbacks import Callbacks, callbacks_of_refused, report_unreadable
from workflows.agreement.raw_input import read_input, takes_payloads
from workflows.agreement.send import find_lost_document, send_once
from workflows.agreement.state import AgreementState, EndedUnconfirmedError
from workflows.agreement.wait import Wait, await_end


@workflow.defn(name=WORKFLOW_NAME)
class AgreementWorkflow:
    """Claim the reference, generate, send once, await, archive."""

    @workflow.init
    @takes_payloads
    def __init__(self, *payloads: RawValue) -> None:
        """Read the input from the raw payloads: an input that cannot be decoded must fail the workflow.

        The SDK would fail the workflow task instead, and retry it for ever.
        """
        self._state_or_error: AgreementState | ApplicationError
        try:
            info = workflow.info()
            agreement = read_input(payloads, continues=info.continued_run_id is not None)
            self._state_or_error = AgreementState(agreement, info.workflow_start_time)
        except ApplicationError as error:  # raised here, it would fail every query, too
            self._state_or_error = error

    @property
    def _state(self) -> AgreementState:
        """The agreement's state.

        Raises:
            ApplicationError: `BadInput`: there is none, since the input cannot be read.
        """
        if isinstance(self._state_or_error, ApplicationError):
            raise self._state_or_error
        return self._state_or_error

    @workflow.run
    @takes_payloads
    async def run(self, *payloads: RawValue) -> AgreementResult:
        """Run the agreement to its end.

        Cancelling the workflow requests a void. The void takes effect once the outcome of the send is known,
        and never after the provider has confirmed an end.

        Args:
            payloads: One `AgreementInput` as JSON; a run that continues another has `carried` in it, too.

        Raises:
            ApplicationError: `BadInput`, or another type of `countersign/agreements/failures.py`.
        """
        if isinstance(self._state_or_error, ApplicationError):  # `BadInput`
            await report_unreadable(payloads, self._state_or_error)
        state = self._state
        is_first_run = state.agreement.carried is None  # a retry continues a run, too, but carries nothing
        return await self._void_if_cancelled(
            asyncio.create_task(self._run_and_call_back(state, is_first_run=is_first_run))
        )

    async def _void_if_cancelled(self, running: asyncio.Task[AgreementResult]) -> AgreementResult:
        """Wait for the end; turn a cancellation into a request to void.

        A cancelled workflow ends as cancelled if that had an effect: voided, or abandoned. Any other outcome,
        such as a document that all have signed meanwhile, is its result.
        """
        while True:
            try:
                result = await asyncio.shield(running)
            except asyncio.CancelledError:
                if running.done():  # no cancellation by a caller: the worker removes the run from its cache
                    raise
                # A cancellation has no reason of its own, so that of an earlier request to void stays.
                request = self._state.carried.void_request or VoidRequest(reason="Cancelled.")
                self._state.carry(cancelled=True, void_request=request)
            else:
                break
        if self._state.carried.cancelled and result.outcome in {Outcome.VOIDED, Outcome.ABANDONED}:
            raise asyncio.CancelledError
        return result

    async def _run_and_call_back(self, state: AgreementState, *, is_first_run: bool) -> AgreementResult:
        """Run to the end; call back about what happens on the way, and about the end."""
        async with Callbacks(state):
            return await self._run_to_end(state, is_first_run=is_first_run)

    async def _run_to_end(self, state: AgreementState, *, is_first_run: bool) -> AgreementResult:
        """Take the agreement through its phases.

        | phase    | waits for                          | can end the agreement as                         |
        |----------|------------------------------------|--------------------------------------------------|
        | claim    | the store                          | failed: bad input, or a reference used before    |
        | recover  | the provider; a person; rarely     | abandoned                                        |
        | send     | the provider; a person, if unknown | voided, expired, abandoned; failed               |
        | review   | a person; only if asked for        | voided, expired, abandoned                       |
        | await    | webhooks, timers, people           | completed, voided, expired, declined, abandoned  |
        | archive  | the provider and the store         |                                                  |

        Recovery is for an agreement that Temporal has lost. The send generates the document from its template
        first, if it has one. For a review the provider holds the document and asks no signer; after it, that
        document is voided and the send runs again.

        The wait archives a document as soon as a webhook reports it completed. After the wait, an archive is
        made if that failed, or if a check found the completion.

        A void, requested or by a cancellation, waits for the activity that runs and for the outcome of the
        send. It ends the agreement before the send, and voids the document at the provider after it. While a
        document is archived, an update to void is rejected, and a cancellation has no effect if the provider
        confirms the completion.
        """
        try:
            if is_first_run:
                self._show_start()
                await self._claim()
                await find_lost_document(state)
                if state.progress.document_id is None:  # none was lost, or a person sends it again
                    await self._prepare_and_send()
            while (wait := await await_end(state)) is Wait.SEND_AFTER_REVIEW:
                await self._prepare_and_send()
            if wait is Wait.HISTORY_IS_LONG:
                workflow.continue_as_new(state.for_next_run())
        except EndedUnconfirmedError as end:
            await self._record_end(end.outcome)
            return state.conclude(end.outcome, by=end.by, reason=end.reason)
        await archive_if_completed(state)
        await self._record_end(state.outcome())
        return state.conclude(state.outcome(), by=state.ended_by, reason=state.reason)

    def _show_start(self) -> None:
        """Show the first stage; the starter may have set the search attributes, which saves an action."""
        self._state.update_details()
        attributes = workflow.info().typed_search_attributes
        if attributes.get(search_attributes.STAGE) == self._state.stage:
            self._state.mark_published(attributes)
        else:
            self._state.update_search_attributes()

    async def _claim(self) -> None:
        """Claim the reference in the store, which remembers it longer than Temporal does.

        The activity refuses an agreement that has problems, so that the history records the decision: a rule
        that a later version adds does not change the replay of an agreement that was accepted before.

        Raises:
            ApplicationError: The agreement has problems, or an earlier agreement has the reference.
        """
        found = problems(self._state.agreement, workflow.info().workflow_start_time)
        try:
            self._state.keep_to(await steps.claim(self._state, found))
        except (ActivityError, ApplicationError) as error:
            self._state.carry(callbacks=callbacks_of_refused(self._state, error))
            raise as_failure(error) from error

    async def _record_end(self, outcome: Outcome) -> None:
        """Record an end without an archive, if the claim asked for it: older histories lack it."""
        if self._state.carried.records_end and outcome is not Outcome.COMPLETED:
            await steps.record_end(self._state, outcome)

    async def _release(self) -> bool:
        """Give the reference back; False if the store cannot record it."""
        try:
            await steps.release(self._state)
        except ActivityError:
            return False
        return True

    async def _prepare_and_send(self) -> None:
        """Generate and send; if either fails and nothing was sent, release the reference.

        An agreement that is voided or expires before the send is no failure: it keeps its reference.
        """
        try:
            await send_once(self._state, await self._sendable_source())
        except ApplicationError as failure:
            if not self._state.sent_nothing():
                raise
            if self._state.replays_old_history and not workflow.patched("release"):
                raise  # the histories without the patch are older than the activity
            if not await self._release():
                raise
            raise ApplicationError(
                failure.message, *failure.details, NOTHING_SENT, type=failure.type, non_retryable=True
            ) from failure

    async def _sendable_source(self) -> SendableSource:
        """Return what is sent; generate it first if the agreement began before the send did that.

        Raises:
            EndedUnconfirmedError: It was voided meanwhile.
        """
        state = self._state
        source = state.agreement.source
        if not isinstance(source, TemplateSource):
            return source
        if state.carried.generated is not None:  # sent after a review
            return DeliverableSource(deliverable_id=state.carried.generated)
        if not state.replays_old_history:
            return source
        try:
            deliverable = await steps.await_or_cancel(
                steps.start_generate(state, source), cancel_when=state.is_void_requested
            )
        except ActivityError as error:
            state.end_if_void_requested()
            raise as_failure(error) from error
        state.note("generated")
        if state.in_review():
            state.carry(generated=deliverable.deliverable_id)
        state.end_if_void_requested()
        return deliverable

    # Signals, queries and updates

    @workflow.signal(description="An event of the document, as the provider's webhook reports it.")
    def signature_event(self, event: SignatureEvent) -> None:
        """Store an event; the main coroutine applies it."""
        self._state.inbox.append(event)

    @workflow.signal(name=UNWATCHED, description="The account's watcher lost sight of the provider.")
    def unwatched(self, news: Unwatched) -> None:
        """Store when; the main coroutine plans checks from then on."""
        self._state.unwatched_at = news.at

    @workflow.signal(name=CHANGE_CALLBACK, description="Send the events that follow to another URL.")
    def change_callback(self, address: CallbackAddress) -> None:
        """Store who is called back: a repeated start named another URL, secret or metadata."""
        self._state.change_callback(address)

    @workflow.query(description="The stage, what it waits for, and who has signed.")
    def status(self) -> AgreementStatus:
        """Return the agreement's status."""
        return self._state.status()

    @workflow.query(name=CIRCUIT_QUERY, description="What the worker knows of an account's provider.")
    def circuit(self, account: str) -> CircuitStatus:  # noqa: ARG002  # the worker's interceptor reads it
        """Return `unknown`. If the worker serves the account, its `CircuitReports` answers instead."""
        return CircuitStatus(state="unknown")

    @workflow.query(
        description="The events and steps of the agreement, in the order in which they became known."
    )
    def timeline(self) -> list[TimelineEntry]:
        """Return all events and steps; those that were not applied name the reason."""
        return list(self._state.progress.timeline)

    @workflow.update(description="Void the document at the provider and end the agreement.")
    def void(self, request: VoidRequest) -> AgreementStatus:
        """Request that the agreement is voided; it is done when the workflow ends.

        The signers read the reason of the last request.
        """
        self._state.carry(void_request=request)
        return self._state.status()

    @void.validator
    def _check_void(self, request: VoidRequest) -> None:
        del request
        state = self._state
        # The stage is ARCHIVING also while the provider confirms a completion that a webhook reported. If the
        # provider does not confirm it, a later void is accepted.
        if state.result or state.progress.ended or state.stage is Stage.ARCHIVING:
            how = state.result.outcome if state.result else state.progress.ended or "ending"
            raise ApplicationError(f"the agreement is already {how}")

    @workflow.update(description="Remind the signers who can sign, now.")
    def remind(self) -> AgreementStatus:
        """Bring the next planned reminder forward, or request one if none is planned."""
        self._state.remind_now = True
        return self._state.status()

    @remind.validator
    def _check_remind(self) -> None:
        if self._state.stage is not Stage.AWAITING_SIGNATURES:
            raise ApplicationError("only an agreement that awaits signatures can send a reminder")
        if not self._state.agreement.send_emails:
            raise ApplicationError("it sends no e-mails: pass on a signing link instead")

    @workflow.update(description="Decide what an agreement that needs attention must do.")
    async def resolve(self, resolution: Resolution) -> AgreementStatus:
        """Store an operator's decision; a document to adopt must be this agreement's."""
        adopted: Sent | None = None
        if resolution.document_id is not None:
            adopted = await self._identified(resolution.document_id)
            self._check_resolve(resolution)  # again: the state may have changed in the meantime
        self._state.resolution = (resolution, adopted)
        return self._state.status()

    async def _identified(self, document_id: str) -> Sent:
        try:
            identity = await steps.identify(self._state, document_id)
        except ActivityError as error:
            raise ApplicationError(f"that document cannot be checked: {reason(error)}") from error
        if identity.sent is None:
            differs = ", ".join(identity.differs)
            raise ApplicationError(f"that document is not this agreement's: it differs in {differs}")
        return identity.sent

    @resolve.validator
    def _check_resolve(self, resolution: Resolution) -> None:
        allowed = self._state.allowed_decisions()
        if not allowed:
            raise ApplicationError("the agreement needs no decision")
        if resolution.action not in allowed:
            raise ApplicationError(f"the decision must be {' or '.join(sorted(allowed))}")
