"""AgreementWorkflow: one business document that some people must sign, from draft to archive.

Started by name from any language, with `AgreementInput` as JSON and the workflow id `agreement-<reference>`.
"""

import asyncio

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

from activities.requests import Identity, SendableSource
from countersign.agreements import search_attributes
from countersign.agreements.events import SignatureEvent
from countersign.agreements.failures import NOTHING_SENT
from countersign.agreements.messages import (
    AgreementResult,
    AgreementStatus,
    CircuitStatus,
    Outcome,
    Resolution,
    Stage,
    TemplateSource,
    TimelineEntry,
    VoidRequest,
)
from countersign.agreements.names import CIRCUIT_QUERY, WORKFLOW_NAME
from workflows.agreement import steps
from workflows.agreement.archive import archive
from workflows.agreement.claim import claim, release
from workflows.agreement.raw_input import read_input, takes_payloads
from workflows.agreement.send import send_once
from workflows.agreement.state import AgreementState, EndedEarlyError
from workflows.agreement.wait import await_end
from workflows.failures import as_failure, reason


@workflow.defn(name=WORKFLOW_NAME)
class AgreementWorkflow:
    """Claim the reference, generate, send once, await, archive."""

    @workflow.init
    @takes_payloads
    def __init__(self, *payloads: RawValue) -> None:
        self._read: AgreementState | ApplicationError
        try:
            info = workflow.info()
            agreement = read_input(payloads, continues=info.continued_run_id is not None)
            self._read = AgreementState(agreement, info.workflow_start_time)
        except ApplicationError as error:  # raised here, it would fail every query, too
            self._read = error

    @property
    def _state(self) -> AgreementState:
        """The agreement's state.

        Raises:
            ApplicationError: `BadInput`: there is none, since the input cannot be read.
        """
        if isinstance(self._read, ApplicationError):
            raise self._read
        return self._read

    @workflow.run
    @takes_payloads
    async def run(self, *payloads: RawValue) -> AgreementResult:
        """Run the agreement to its end. Cancelling it voids the document first.

        Args:
            payloads: One `AgreementInput` as JSON; a run that continues another has more in it.

        Raises:
            ApplicationError: `BadInput`, or another type of `countersign/agreements/failures.py`.
        """
        del payloads  # `__init__` has read them
        life = asyncio.create_task(self._live(is_first_run=self._state.agreement.carried is None))
        cancelled = False
        while True:
            try:
                result = await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.done():  # the worker evicts this run
                    raise
                cancelled = True
                self._state.void_request = self._state.void_request or VoidRequest(reason="Cancelled.")
            else:
                break
        if cancelled and result.outcome in {Outcome.VOIDED, Outcome.ABANDONED}:
            raise asyncio.CancelledError
        return result

    async def _live(self, *, is_first_run: bool) -> AgreementResult:
        state = self._state
        try:
            if is_first_run:
                self._show_start()
                await claim(state)
                await self._prepare_and_send()
            if not await await_end(state):
                workflow.continue_as_new(state.for_next_run())
        except EndedEarlyError as end:
            return state.conclude(end.outcome, by=end.by, reason=end.reason)
        await archive(state)
        return state.conclude(state.outcome(), by=state.ended_by, reason=state.reason)

    def _show_start(self) -> None:
        self._state.show()
        if workflow.info().typed_search_attributes.get(search_attributes.STAGE) == self._state.stage:
            self._state.is_published()  # set by the starter, at no cost
        else:
            self._state.publish()

    async def _prepare_and_send(self) -> None:
        """Generate and send; release the reference if it fails before anything was sent."""
        try:
            await send_once(self._state, await self._generate())
        except ApplicationError as failure:
            if self._state.sent_nothing() and workflow.patched("release") and await release(self._state):
                raise ApplicationError(
                    failure.message, *failure.details, NOTHING_SENT, type=failure.type, non_retryable=True
                ) from failure
            raise

    async def _generate(self) -> SendableSource:
        """Generate the document if the source is a template."""
        state = self._state
        source = state.agreement.source
        if not isinstance(source, TemplateSource):
            return source
        try:
            deliverable = await steps.unless(state.is_void_requested, steps.start_generate(state, source))
        except ActivityError as error:
            if state.void_request is None:
                raise as_failure(error) from error
        else:
            state.note("generated")
            if state.void_request is None:
                return deliverable
        raise EndedEarlyError(Outcome.VOIDED, by="operator", reason=state.void_request.reason)

    # Signals, queries and updates

    @workflow.signal(description="An event of the document, as the provider's webhook reports it.")
    def signature_event(self, event: SignatureEvent) -> None:
        """Store an event; the main coroutine applies it."""
        self._state.inbox.append(event)

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
        """Request that the agreement is voided; it is done when the workflow ends."""
        self._state.void_request = request
        return self._state.status()

    @void.validator
    def _check_void(self, request: VoidRequest) -> None:
        del request
        if self._state.result or self._state.progress.ended or self._state.stage is Stage.ARCHIVING:
            raise ApplicationError(f"the agreement is already {self._state.progress.ended or 'ending'}")

    @workflow.update(description="Remind the signers who have not signed, now.")
    def remind(self) -> AgreementStatus:
        """Request a reminder besides the planned ones."""
        self._state.remind_now = True
        return self._state.status()

    @remind.validator
    def _check_remind(self) -> None:
        if self._state.stage is not Stage.AWAITING_SIGNATURES:
            raise ApplicationError("only an agreement that awaits signatures can send a reminder")

    @workflow.update(description="Decide what an agreement that needs attention must do.")
    async def resolve(self, resolution: Resolution) -> AgreementStatus:
        """Store an operator's decision; a document to adopt must be this agreement's."""
        identity = Identity()
        if resolution.document_id is not None:
            try:
                identity = await steps.identify(self._state, resolution.document_id)
            except ActivityError as error:
                raise ApplicationError(f"that document cannot be checked: {reason(error)}") from error
            if identity.sent is None:
                differs = ", ".join(identity.differs)
                raise ApplicationError(f"that document is not this agreement's: it differs in {differs}")
        self._check_resolve(resolution)
        self._state.resolution = (resolution, identity.sent)
        return self._state.status()

    @resolve.validator
    def _check_resolve(self, resolution: Resolution) -> None:
        undecided = self._state.sent_is_unknown()
        is_under_way = self._state.progress.document_id is None and not undecided
        if is_under_way or self._state.attention() is None or self._state.resolution is not None:
            raise ApplicationError("the agreement needs no decision")
        allowed = {"adopt", "send_again", "abandon"} if undecided else {"keep", "abandon"}
        if resolution.action not in allowed:
            raise ApplicationError(f"the decision must be {' or '.join(sorted(allowed))}")
