"""What a running agreement knows and has been told, and how it shows that.

Signal and update handlers only put things here; the steps decide what they mean.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import ActivityError

from countersign.events import EventKind, SignatureEvent
from workflows import attributes, metrics, progress, schedule
from workflows.card import card, show_moment
from workflows.messages import (
    PROVIDER,
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Archive,
    Continued,
    Outcome,
    Resolution,
    SignerStatus,
    Stage,
    VoidRequest,
    WaitingFor,
)
from workflows.steps import why
from workflows.tasks import Sent

ResolvedBy = Literal["webhook", "poll", "operator"]


class EndedEarlyError(Exception):
    """The agreement ended before there was a document to wait for. Never leaves the workflow."""

    def __init__(self, outcome: Outcome, *, by: ResolvedBy, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.by = by
        self.reason = reason


class AgreementState:
    """The state of one run of an agreement.

    Args:
        agreement: What it was started with, or continued with.
    """

    def __init__(self, agreement: AgreementInput) -> None:
        carried = agreement.continued
        self.agreement = agreement
        self.stage = Stage.AWAITING_SIGNATURES if carried else Stage.GENERATING
        self.waiting_for = WaitingFor.SIGNATURES if carried else WaitingFor.PROVIDER
        self.stage_since = (carried and carried.stage_since) or workflow.now()
        self.tag = carried.tag if carried else ""
        self.pace = carried.pace if carried else 1.0
        self.progress = carried.progress if carried else progress.Progress()
        self.sent_at: datetime | None = carried.sent_at if carried else None
        self.looks = carried.looks if carried else 0
        self.next_look_at: datetime | None = carried.next_look_at if carried else None
        self.reminders = carried.reminders if carried else 0
        self.sends = carried.sends if carried else 0
        self.dismissed: frozenset[str] = carried.dismissed if carried else frozenset()
        self.inbox: list[SignatureEvent] = []
        self.void_request: VoidRequest | None = None
        self.resolution: tuple[Resolution, Sent | None] | None = None
        self.remind_now = False
        self.last_error: str | None = carried.last_error if carried else None
        self.trouble: str | None = None
        self.ended_by: ResolvedBy = "poll"
        self.reason: str | None = None
        self.deadline_passed = False
        self.archive: Archive | None = None
        self.result: AgreementResult | None = None
        self._published: tuple[object, ...] | None = None

    # What is known

    def document(self) -> str:
        """The document's id, once it is known."""
        if self.progress.document_id is None:
            raise RuntimeError("the document's id is asked for before the send")
        return self.progress.document_id

    def unresolved(self) -> frozenset[str]:
        """Other documents with our marker that nobody has dealt with."""
        return self.progress.others - self.dismissed

    def candidates(self) -> tuple[str, ...]:
        """Documents that events of our marker named and of which it is open whether they are ours."""
        waiting = {each.document_id for each in self.inbox if each.document_id}
        return tuple(sorted((waiting | self.progress.others) - self.dismissed - {self.progress.document_id}))

    def attention(self) -> str | None:
        """What a person must look at, in one sentence."""
        if self.trouble or self.result:
            return self.trouble
        if self.unresolved():
            return (
                "Another document carries this agreement's marker: void one of them, then resolve with keep."
            )
        if self.progress.finalization_failed and not self.progress.ended:
            return (
                "The provider could not finalise the signed document: ask its support, void it or abandon it."
            )
        return None

    def sent_is_unknown(self) -> bool:
        """Whether a person must decide what became of a send."""
        return self.stage is Stage.SENDING and self.waiting_for is WaitingFor.OPERATOR

    def deadline_is_past(self) -> bool:
        """Whether the deadline has passed, by the workflow's clock."""
        deadline = self.agreement.deadline
        return deadline is not None and workflow.now() >= deadline

    def next_reminder_at(self) -> datetime | None:
        """When signers are due to be reminded next, by the agreement's plan."""
        if self.sent_at is None:
            return None
        return schedule.next_reminder(self.agreement.reminders, self.sent_at, self.reminders)

    def paced(self, wait: timedelta) -> timedelta:
        """How long a wait takes at this agreement's pace."""
        return wait / self.pace

    # What changes it

    def adopt(self, sent: Sent) -> None:
        """Learn which document is ours, then take in what was told about it before."""
        self.progress = progress.adopt(self.progress, sent.document_id, sent.recipient_ids)
        self.take_in()

    def take_in(self) -> None:
        """Apply the events that were signalled. Before the document is known they wait."""
        if self.progress.document_id is not None:
            self._apply_inbox()

    def _apply_inbox(self) -> None:
        events, self.inbox = self.inbox, []
        for event in events:
            self.progress = progress.apply(self.progress, event)

    def note(self, what: str) -> None:
        """Put one of our own steps on the timeline."""
        self.progress = progress.note(self.progress, what, workflow.now())

    def fail(self, what: str, error: ActivityError) -> None:
        """Put a step's failure on the timeline, and its reason on the card."""
        self.note(what)
        self.last_error = f"{show_moment(workflow.now())} {what}: {why(error)}"
        self.show()

    def observe(self, observation: progress.Observation, by: ResolvedBy) -> None:
        """Take in what the provider's API says; remember what made us ask if that was the end."""
        before = self.progress.ended
        self.progress = progress.observe(self.progress, observation, workflow.now())
        if self.progress.ended and not before:
            self.ended_by = by

    def enter(self, stage: Stage, waiting_for: WaitingFor) -> None:
        """Go to a stage, visibly in the status and the card; `publish` makes it searchable."""
        if stage is not self.stage:
            now = workflow.now()
            metrics.time_stage(self.stage, now - self.stage_since)
            self.stage_since = now
        if (stage, waiting_for) != (self.stage, self.waiting_for):
            self._log_change(stage, waiting_for)
        self.stage = stage
        self.waiting_for = waiting_for
        self.show()

    def _log_change(self, stage: Stage, waiting_for: WaitingFor) -> None:
        told = {"stage": stage, "waiting_for": waiting_for, "document_id": self.progress.document_id}
        workflow.logger.info("agreement %s", stage, extra=told)

    def outcome(self) -> Outcome:
        """What became of the document, once it has ended."""
        if self.progress.ended == EventKind.VOIDED and self.deadline_passed:
            return Outcome.EXPIRED
        return Outcome(self.progress.ended or Outcome.ABANDONED)

    def conclude(self, outcome: Outcome, *, by: ResolvedBy, reason: str | None = None) -> AgreementResult:
        """End the agreement and show it; events that came since the end was seen are recorded."""
        self._apply_inbox()
        self.trouble = None
        self.result = AgreementResult(
            reference=self.agreement.reference,
            outcome=outcome,
            document_id=self.progress.document_id,
            resolved_by=by,
            reason=reason if outcome is not Outcome.COMPLETED else None,
            archive=self.archive,
        )
        metrics.count_end(outcome, by)
        self.enter(Stage(outcome), WaitingFor.NOBODY)
        self.publish()
        return self.result

    # How it shows

    def status(self) -> AgreementStatus:
        """Answer the status query."""
        return AgreementStatus(
            reference=self.agreement.reference,
            stage=self.stage,
            waiting_for=self.waiting_for,
            needs_attention=self.attention(),
            document_id=self.progress.document_id,
            candidates=self.candidates(),
            signers=self._signers(),
            deadline=self.agreement.deadline,
            supersedes=self.agreement.supersedes,
            next_look_at=self.next_look_at,
            next_reminder_at=None if self.result else self.next_reminder_at(),
            last_error=self.last_error,
            reminders=self.reminders,
            ignored=self.progress.ignored,
            result=self.result,
        )

    def show(self) -> None:
        """Redraw the card in the Temporal UI; costs nothing."""
        workflow.set_current_details(card(self.status(), self.progress))

    def publish(self) -> None:
        """Make the state searchable; each change is one billable action, so one call carries all."""
        if self._facets() == self._published:
            return
        self.is_published()
        updates: list[SearchAttributeUpdate[Any]] = [
            attributes.STAGE.value_set(self.stage),
            attributes.WAITING_FOR.value_set(self.waiting_for),
            attributes.NEEDS_ATTENTION.value_set(self.attention() is not None),
            attributes.PROVIDER.value_set(PROVIDER),
        ]
        if self.progress.document_id:
            updates.append(attributes.DOCUMENT_ID.value_set(self.progress.document_id))
        if self.agreement.deadline:
            updates.append(attributes.DEADLINE.value_set(self.agreement.deadline))
        workflow.upsert_search_attributes(updates)

    def is_published(self) -> None:
        """Remember that the state is searchable as it stands."""
        self._published = self._facets()

    def _facets(self) -> tuple[object, ...]:
        attention = self.attention() is not None
        return (self.stage, self.waiting_for, self.progress.document_id, attention)

    def carry_over(self) -> Continued:
        """Pack what the next run must know."""
        if self.sent_at is None or self.next_look_at is None:
            raise RuntimeError("an agreement continues as new only while it awaits signatures")
        return Continued(
            progress=self.progress,
            tag=self.tag,
            pace=self.pace,
            stage_since=self.stage_since,
            sent_at=self.sent_at,
            looks=self.looks,
            next_look_at=self.next_look_at,
            reminders=self.reminders,
            sends=self.sends,
            dismissed=self.dismissed,
            last_error=self.last_error,
        )

    def _signers(self) -> tuple[SignerStatus, ...]:
        known = self.progress.recipients
        return tuple(
            SignerStatus(
                name=signer.name,
                order=signer.order or number,
                viewed_at=known[number - 1].viewed_at if number <= len(known) else None,
                signed_at=known[number - 1].signed_at if number <= len(known) else None,
            )
            for number, signer in enumerate(self.agreement.signers, start=1)
        )
