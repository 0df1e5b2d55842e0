"""What an agreement is told, and how it shows what it knows.

Signal and update handlers only put things here; the steps decide what they mean.
"""

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import ActivityError

from countersign.events import EventKind
from workflows import attributes, metrics, progress
from workflows.card import card, show_moment
from workflows.facts import AgreementFacts, ResolvedBy
from workflows.messages import (
    PROVIDER,
    AgreementInput,
    AgreementResult,
    Outcome,
    Resolution,
    Stage,
    WaitingFor,
)
from workflows.steps import why
from workflows.tasks import Claimed, Sent


class EndedEarlyError(Exception):
    """The agreement ended before there was a document to wait for. Never leaves the workflow."""

    def __init__(self, outcome: Outcome, *, by: ResolvedBy, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.by = by
        self.reason = reason


class AgreementState(AgreementFacts):
    """The facts of one run of an agreement, as they change and show.

    Args:
        agreement: What it was started with, or continued with.
    """

    def __init__(self, agreement: AgreementInput) -> None:
        super().__init__(agreement)
        self._published: tuple[object, ...] | None = None

    def keep_to(self, claimed: Claimed) -> None:
        """Learn what holds for all of the agreement's life."""
        self.tag, self.pace = claimed.tag, claimed.pace

    def adopt(self, sent: Sent) -> None:
        """Learn which document is ours, then take in what was told about it before."""
        self.progress = progress.adopt(self.progress, sent.document_id, sent.recipient_ids)
        self.learn_time(sent.at)
        self.sent_at = sent.at or self.known_time
        self.take_in()

    def take_in(self) -> None:
        """Apply the events that were signalled. Before the document is known they wait."""
        if self.progress.document_id is not None:
            self._apply_inbox()

    def _apply_inbox(self) -> None:
        events, self.inbox = self.inbox, []
        for event in events:
            self.progress = progress.apply(self.progress, event)
            self._log(
                "event applied", event_id=event.event_id, kind=event.kind, document_id=event.document_id
            )

    def take_resolution(self) -> tuple[Resolution, Sent | None]:
        """Take a person's decision up, with the document that it adopts.

        Raises:
            EndedEarlyError: It is to abandon the agreement.
        """
        if self.resolution is None:
            raise RuntimeError("nobody has decided")
        (resolution, sent), self.resolution = self.resolution, None
        self.note(f"resolved: {resolution.action}")
        if resolution.action == "abandon":
            raise EndedEarlyError(Outcome.ABANDONED, by="operator", reason="abandoned")
        return resolution, sent

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
        self.learn_time(observation.at)
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
            document_id = self.progress.document_id
            self._log(f"agreement {stage}", stage=stage, waiting_for=waiting_for, document_id=document_id)
        self.stage = stage
        self.waiting_for = waiting_for
        self.show()

    def _log(self, message: str, **fields: str | None) -> None:
        """Log a line with `initiated_by`; the logger adds the workflow's id and its run's."""
        workflow.logger.info(message, extra={**fields, "initiated_by": self.agreement.initiated_by})

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
        self.ended_at = workflow.now()
        metrics.count_end(outcome, by)
        self.enter(Stage(outcome), WaitingFor.NOBODY)
        self.publish()
        return self.result

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
