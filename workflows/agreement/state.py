"""The state of one agreement: what survives continue-as-new, what one run knows, and how both are shown.

Signal and update handlers only put things here; the main coroutine decides what they mean.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import Field
from temporalio import workflow
from temporalio.common import SearchAttributeKey, TypedSearchAttributes
from temporalio.exceptions import ActivityError

from activities.requests import Claimed, Recovered, Sent
from countersign.agreements import search_attributes
from countersign.agreements.callbacks import CALLER
from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Archive,
    CallbackAddress,
    Message,
    Observation,
    Outcome,
    Resolution,
    ResolvedBy,
    SignerStatus,
    Stage,
    TemplateSource,
    VoidRequest,
    WaitingFor,
)
from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.agreements.reference import Marker
from countersign.agreements.times import format_time
from countersign.workflow.failures import provider_words, reason
from workflows.agreement import metrics, policies, progress
from workflows.agreement.details import details
from workflows.agreement.progress import Progress

OLD_HISTORIES_BEFORE: Final = datetime(2026, 11, 27, 19, tzinfo=UTC)
"""A run that began before it claimed and generated in steps of their own, and replays so.

A patch would record the same in two events and two billable actions of every agreement.
"""


def _unique(*targets: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(targets))


class EndedUnconfirmedError(Exception):
    """The agreement ends without an end that the provider confirmed. Handled inside the workflow.

    It was voided or its deadline passed before the send, or a person abandoned it.
    """

    def __init__(self, outcome: Outcome, *, by: ResolvedBy, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.by = by
        self.reason = reason


class Carried(Message):
    """What survives continue-as-new.

    Args:
        progress: The state of the document.
        tag: The tag of its marker, as claimed.
        claim: The number of its claim.
        account: The account at the provider, as claimed.
        claimed_at: When it was claimed.
        time_scale: Factor by which every wait is shortened, as claimed.
        longest_check_wait: The longest wait between two checks, as claimed.
        watched: Whether the account's watcher reads what changes, as claimed, and as the last check found.
        unconfirmed: An event reported an end that the provider did not confirm: check soon, watched or not.
        end_reported_by: What brought the event that reported an end.
        stage_since: When it entered its stage.
        sent_at: When the send began; then, when the provider accepted it.
        known_time: The latest recorded time: the basis of what is planned next.
        checks: Checks planned since the plan was last reset.
        next_check_at: When the next check is due.
        reminders: Reminders requested.
        reminded_at: When the last one was made.
        deadline_passed: It is being voided because its deadline passed.
        sends: Attempts to send.
        generated: The document that was generated from a template, if it is sent after a review.
        review_ended: The document was sent after its review.
        reviewed: The document that was voided after its review; the one that was sent replaces it.
        review_url: Where the document is reviewed.
        dismissed: Other documents with the marker that an operator has dealt with.
        differing: Documents that carry the marker and were not adopted, and why: what differs, for example.
        last_error: The last failure of a step, for the current details.
        provider_message: The provider's own words about it, for the status alone.
        records_end: Whether the store is told of an end without an archive, as claimed.
        callbacks: Who is called back: as claimed, and the caller if a repeated start named a URL.
        called_back: The events that they were called back about.
        attention_called_back: What needed attention when they were last called back about that.
        void_request: The request to void it, while the provider does not do so.
        cancelled: The workflow's cancellation requested the void.
        trouble: What an operator must check.
    """

    progress: Progress = Progress()
    tag: str = ""
    claim: int = 1
    account: str = DEFAULT_ACCOUNT
    claimed_at: datetime | None = None
    time_scale: float = 1
    longest_check_wait: timedelta = timedelta(days=1)
    watched: bool = False
    unconfirmed: bool = False
    end_reported_by: ResolvedBy = "webhook"
    stage_since: datetime
    sent_at: datetime | None = None
    known_time: datetime
    checks: int = 0
    next_check_at: datetime | None = None
    reminders: int = 0
    reminded_at: datetime | None = None
    deadline_passed: bool = False
    sends: int = 0
    generated: str | None = None
    review_ended: bool = False
    reviewed: str | None = None
    review_url: str | None = Field(default=None, repr=False)
    dismissed: frozenset[str] = frozenset()
    differing: dict[str, str] = Field(default={})
    last_error: str | None = None
    provider_message: str | None = None
    records_end: bool = False
    callbacks: tuple[str, ...] = ()
    called_back: frozenset[str] = frozenset()
    attention_called_back: str | None = None
    void_request: VoidRequest | None = None
    cancelled: bool = False
    trouble: str | None = None


class RunInput(AgreementInput):
    """The input of a run: the caller's, and what the run before carried over.

    The SDK decodes typed arguments only if all of them are there, so this is one argument and not two.
    """

    carried: Carried | None = None


class AgreementState:
    """The state of one run of an agreement, and its presentation.

    Args:
        agreement: What the run begins with.
        now: When it began, by its history.
    """

    def __init__(self, agreement: RunInput, now: datetime) -> None:
        carried = agreement.carried
        self.agreement = agreement
        self.replays_old_history = now < OLD_HISTORIES_BEFORE
        self.carried = carried or Carried(stage_since=now, known_time=now)
        self.stage = Stage.AWAITING_SIGNATURES if carried else Stage.GENERATING
        self.waiting_for = WaitingFor.SIGNATURES if carried else WaitingFor.PROVIDER
        if carried and self.in_review():
            self.stage, self.waiting_for = Stage.IN_REVIEW, WaitingFor.OPERATOR
        self.recovered: Recovered | None = None
        self.may_have_sent = False
        self.inbox: list[SignatureEvent] = []
        self.resolution: tuple[Resolution, Sent | None] | None = None
        self.remind_now = False
        self.unwatched_at: datetime | None = None
        self.ended_by: ResolvedBy = "poll"
        self.reason: str | None = None
        self.archive: Archive | None = None
        self.result: AgreementResult | None = None
        self.ended_at: datetime | None = None
        self._published: tuple[object, ...] | None = None
        self._attributes: dict[SearchAttributeKey[Any], Any] = {}

    def for_next_run(self) -> RunInput:
        """Return the input of the next run."""
        return self.agreement.model_copy(update={"carried": self.carried})

    def carry(self, **changes: Any) -> None:
        """Change what survives continue-as-new; see `Carried`."""
        self.carried = self.carried.model_copy(update=changes)

    # What is known

    @property
    def progress(self) -> Progress:
        """The state of the document."""
        return self.carried.progress

    @property
    def marker(self) -> Marker:
        """The marker of the document."""
        return Marker(self.agreement.reference, self.carried.tag)

    @property
    def document_id(self) -> str:
        """The document's id, once it is known."""
        if self.progress.document_id is None:
            raise RuntimeError("the document's id is asked for before the send")
        return self.progress.document_id

    def is_void_requested(self) -> bool:
        """Whether an operator or a cancellation requested to void it."""
        return self.carried.void_request is not None

    def in_review(self) -> bool:
        """Whether the document is held for a person's review, or will be."""
        return self.agreement.review and not self.carried.review_ended

    def unresolved(self) -> frozenset[str]:
        """Other documents with the marker that no operator has dealt with."""
        return self.progress.others - self.carried.dismissed

    def sent_nothing(self) -> bool:
        """Whether there is no sign of a document, before it is known."""
        named = any(event.document_id for event in self.inbox)
        return not self.may_have_sent and not named and not self.progress.others

    def candidates(self) -> tuple[str, ...]:
        """Other documents that carry the marker and that no person has dealt with."""
        waiting = {event.document_id for event in self.inbox if event.document_id}
        known = self.carried.dismissed | {self.progress.document_id}
        return tuple(sorted((waiting | self.progress.others) - known))

    def unidentified(self) -> tuple[str, ...]:
        """Candidates that were not yet compared with the agreement."""
        return tuple(sorted(set(self.candidates()) - self.carried.differing.keys()))

    def differences(self) -> str | None:
        """Documents that carry the marker and were not adopted, in one sentence; None if there are none."""
        listed = [
            f"{document_id} {differs}"
            for document_id, differs in self.carried.differing.items()
            if document_id in self.unresolved()
        ]
        if not listed:
            return None
        return f"Not adopted, though the marker names this agreement: {', '.join(listed)}."

    def attention(self) -> str | None:
        """What an operator must check, in one sentence."""
        if self.carried.trouble or self.result:
            return self.carried.trouble
        if self.progress.document_id is None:
            return self.differences()
        if differences := self.differences():
            return f"{differences} Look at the provider, then resolve with keep."
        if self.unresolved():
            return (
                "Another document carries this agreement's marker: void one of them, then resolve with keep."
            )
        if self.progress.finalization_failed and not self.progress.ended:
            return (
                "The provider could not finalize the signed document: ask its support, void it or abandon it."
            )
        return None

    def allowed_decisions(self) -> frozenset[str]:
        """The decisions that an operator may make now; empty if none is needed."""
        if self.resolution is not None:
            return frozenset()
        if self.stage is Stage.IN_REVIEW and self.attention() is None:
            return frozenset({"send_now", "abandon"})
        if self.attention() is None:
            return frozenset()
        if self.stage is Stage.SENDING and self.waiting_for is WaitingFor.OPERATOR:
            return frozenset({"adopt", "send_again", "abandon"})
        return frozenset({"keep", "abandon"}) if self.progress.document_id else frozenset()

    def end_if_void_requested(self) -> None:
        """End an agreement that has sent nothing if a void was requested, by an operator or a cancellation.

        Raises:
            EndedUnconfirmedError: A void was requested.
        """
        if self.carried.void_request is not None:
            reason = self.carried.void_request.reason
            raise EndedUnconfirmedError(Outcome.VOIDED, by="operator", reason=reason)

    def next_reminder_at(self) -> datetime | None:
        """When the next planned reminder is due; those that an outage delayed do not come all at once."""
        plan, sent_at = self.agreement.reminders, self.carried.sent_at
        if plan is None or sent_at is None or self.in_review() or self.carried.reminders >= plan.at_most:
            return None
        planned, last = sent_at + plan.after + plan.every * self.carried.reminders, self.carried.reminded_at
        return planned if last is None else max(planned, last + plan.every)

    def scaled(self, wait: timedelta) -> timedelta:
        """Divide a wait by the agreement's time scale."""
        return wait / self.carried.time_scale

    def outcome(self) -> Outcome:
        """The outcome, once the document has ended."""
        if self.progress.ended == EventKind.VOIDED and self.carried.deadline_passed:
            return Outcome.EXPIRED
        return Outcome(self.progress.ended or Outcome.ABANDONED)

    # What is learned

    def keep_to(self, claimed: Claimed) -> None:
        """Keep what the claim sets for the whole agreement."""
        self.carry(
            tag=claimed.tag,
            claim=claimed.claim,
            account=claimed.account,
            claimed_at=claimed.at,
            time_scale=claimed.time_scale,
            longest_check_wait=claimed.longest_check_wait,
            callbacks=_unique(*self.carried.callbacks, *claimed.callbacks),
            watched=claimed.watched,
            records_end=claimed.records_end,
        )
        self.recovered = claimed.recovered

    def rely_on_checks(self) -> None:
        """Check hourly from now on, if the account's watcher lost sight and this agreement relies on it."""
        at, self.unwatched_at = self.unwatched_at, None
        if at is not None and self.carried.watched:
            self.learn_time(at)
            checks = max(self.carried.checks, policies.HOURLY)
            self.carry(watched=False, checks=checks, next_check_at=None)

    def change_callback(self, address: CallbackAddress) -> None:
        """Send the events that follow to another URL; the claim may not know yet that there is one."""
        self.agreement = self.agreement.model_copy(update=dict(address))
        self.carry(callbacks=_unique(CALLER, *self.carried.callbacks))

    def began_at(self, at: datetime | None) -> None:
        """Move the start of the send back to a recorded time."""
        if at is not None and self.carried.sent_at is not None:
            self.carry(sent_at=min(at, self.carried.sent_at))

    def learn_time(self, at: datetime | None) -> None:
        """Advance the known time to a recorded one: a fired timer's, or an activity result's."""
        if at is not None:
            self.carry(known_time=max(self.carried.known_time, at))

    def adopt(self, sent: Sent) -> None:
        """Record which document is the agreement's, then apply the events about it that came before."""
        self.learn_time(sent.at)
        if sent.generated_at is not None:
            self.carry(progress=progress.note(self.progress, "generated", sent.generated_at))
            self.enter(Stage.SENDING, WaitingFor.PROVIDER, at=sent.generated_at)
        if sent.deliverable_id is not None:
            self.carry(generated=sent.deliverable_id)
        adopted = progress.adopt(self.progress, sent.document_id, sent.recipient_ids)
        self.carry(progress=adopted, sent_at=sent.at or self.carried.known_time, review_url=sent.review_url)
        self.take_in()

    def end_review(self) -> None:
        """Record that signers are asked from now on: reminders count from here."""
        at = self.carried.known_time
        self.carry(review_ended=True, sent_at=at, checks=0, next_check_at=None, review_url=None)
        self.note("sent")

    def replace_reviewed(self) -> None:
        """Forget the reviewed document, which is void: the same one is sent anew."""
        self.dismiss(self.document_id)
        self.carry(
            reviewed=self.document_id,
            review_ended=True,
            review_url=None,
            checks=0,
            next_check_at=None,
            progress=progress.forget(self.progress),
        )

    def dismiss(self, *document_ids: str) -> None:
        """Record that other documents with the marker need no attention."""
        self.carry(dismissed=self.carried.dismissed | set(document_ids))

    def distrust(self, document_id: str, why: str) -> None:
        """Record that a document carries the marker and is not known to be ours; show it to an operator."""
        changed = progress.distrust(self.progress, document_id)
        self.carry(progress=changed, differing={**self.carried.differing, document_id: why})
        self.note(f"not adopted: {document_id} {why}")
        self.update_details()
        self.update_search_attributes()

    def take_in(self) -> None:
        """Apply the signalled events, once the document is known."""
        if self.progress.document_id is not None:
            self._apply_inbox()

    def take_resolution(self) -> tuple[Resolution, Sent | None]:
        """Take an operator's decision, with the document that it adopts.

        Raises:
            EndedUnconfirmedError: It is to abandon the agreement.
        """
        if self.resolution is None:
            raise RuntimeError("there is no decision to take")
        (resolution, sent), self.resolution = self.resolution, None
        self.note(f"resolved: {resolution.action}")
        if resolution.action == "abandon":
            raise EndedUnconfirmedError(Outcome.ABANDONED, by="operator", reason="abandoned")
        return resolution, sent

    def observe(self, observation: Observation, by: ResolvedBy) -> None:
        """Apply what the provider's API reports, and record what led to the check if it ended."""
        before = self.progress.ended
        self.learn_time(observation.at)
        self.carry(progress=progress.observe(self.progress, observation, workflow.now()))
        if self.progress.ended and not before:
            self.ended_by = by
            if self.progress.ended == EventKind.DECLINED:
                self.reason = self._why_declined(observation)

    def _why_declined(self, observation: Observation) -> str | None:
        for recipient in observation.recipients:
            if recipient.declined is not None:
                number = [known.recipient_id for known in self.progress.recipients].index(
                    recipient.recipient_id
                ) + 1
                return f"signer {number} declined" + (f": {recipient.declined}" if recipient.declined else "")
        return None

    def note(self, what: str) -> None:
        """Add a step of the workflow to the timeline."""
        self.carry(progress=progress.note(self.progress, what, workflow.now()))

    def fail(self, what: str, error: ActivityError) -> None:
        """Add a step's failure to the timeline, and its reason to the current details."""
        self.note(what)
        self.carry(
            last_error=f"{format_time(workflow.now())} {what}: {reason(error)}",
            provider_message=provider_words(error),
        )
        self.update_details()

    def enter(self, stage: Stage, waiting_for: WaitingFor, *, at: datetime | None = None) -> None:
        """Enter a stage and show it in the status and the current details.

        `update_search_attributes` makes it searchable.

        Args:
            stage: The stage.
            waiting_for: What the agreement waits for.
            at: When it entered, if that is known only now.
        """
        if stage is not self.stage:
            now = at or workflow.now()
            metrics.time_stage(self.stage, now - self.carried.stage_since)
            self.carry(stage_since=now)
        if (stage, waiting_for) != (self.stage, self.waiting_for):
            document_id = self.progress.document_id
            self._log(f"agreement {stage}", stage=stage, waiting_for=waiting_for, document_id=document_id)
        self.stage = stage
        self.waiting_for = waiting_for
        self.update_details()

    def conclude(self, outcome: Outcome, *, by: ResolvedBy, reason: str | None = None) -> AgreementResult:
        """End the agreement and show it; record the events that came since the end was confirmed.

        The search attributes of the usual course stay as they were while it waited: that a workflow completed
        is known without them, and writing them costs a billable action.
        """
        self._apply_inbox()
        self.carry(trouble=None)
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
        usual = (Stage.AWAITING_SIGNATURES, WaitingFor.SIGNATURES, self.progress.document_id, False)
        is_usual = outcome is Outcome.COMPLETED and self._published == usual
        self.enter(Stage(outcome), WaitingFor.NO_ONE)
        if self.replays_old_history or not is_usual:
            self.update_search_attributes()
        return self.result

    def _apply_inbox(self) -> None:
        events, self.inbox = self.inbox, []
        for event in events:
            before = self.progress.reported_ends
            self.carry(progress=progress.apply(self.progress, event))
            if self.progress.reported_ends != before:
                self.carry(end_reported_by="watcher" if event.found_by == "watcher" else "webhook")
            self._log(
                "event applied", event_id=event.event_id, kind=event.kind, document_id=event.document_id
            )

    def _log(self, message: str, **fields: str | None) -> None:
        """Log a line with `initiated_by`; the logger adds the workflow's id and its run's."""
        workflow.logger.info(message, extra={**fields, "initiated_by": self.agreement.initiated_by})

    # How it is shown

    def update_details(self) -> None:
        """Update the current details in the Temporal UI; no billable action."""
        workflow.set_current_details(details(self.status(), self.progress))

    def update_search_attributes(self) -> None:
        """Update the search attributes, all in one billable action."""
        if self._facets() == self._published:
            return
        self._published = self._facets()
        values: dict[SearchAttributeKey[Any], Any] = {
            search_attributes.STAGE: self.stage,
            search_attributes.WAITING_FOR: self.waiting_for,
            search_attributes.ACCOUNT: self.carried.account,
        }
        if self.attention() is not None or search_attributes.NEEDS_ATTENTION in self._attributes:
            values[search_attributes.NEEDS_ATTENTION] = self.attention() is not None
        if self.progress.document_id:
            values[search_attributes.DOCUMENT_ID] = self.progress.document_id
        if self.agreement.deadline and self.agreement.deadline.tzinfo:  # the claim refuses any other
            values[search_attributes.DEADLINE] = self.agreement.deadline
        changed = {key: value for key, value in values.items() if self._attributes.get(key) != value}
        self._attributes |= changed
        workflow.upsert_search_attributes([key.value_set(value) for key, value in changed.items()])

    def mark_published(self, attributes: TypedSearchAttributes) -> None:
        """Remember that the search attributes, which the start has set, hold the current state."""
        self._published = self._facets()
        self._attributes = {pair.key: pair.value for pair in attributes}

    def _facets(self) -> tuple[object, ...]:
        attention = self.attention() is not None
        return (self.stage, self.waiting_for, self.progress.document_id, attention)

    def status(self) -> AgreementStatus:
        """Return the result of the status query."""
        is_over = self.result is not None or self.progress.ended is not None
        return AgreementStatus(
            reference=self.agreement.reference,
            stage=self.stage,
            waiting_for=self.waiting_for,
            needs_attention=self.attention(),
            document_id=self.progress.document_id,
            candidates=self.candidates(),
            signers=self._signers(),
            review_url=self.carried.review_url if self.stage is Stage.IN_REVIEW else None,
            deadline=self.agreement.deadline,
            ready_at=self._ready_at(),
            sent_at=self._noted("sent"),
            ended_at=self.ended_at,
            supersedes=self.agreement.supersedes,
            next_check_at=None if is_over else self.carried.next_check_at,
            next_reminder_at=None if is_over else self.next_reminder_at(),
            last_error=self.carried.last_error,
            provider_message=self.carried.provider_message,
            reminders=self.carried.reminders,
            ignored=self.progress.ignored,
            result=self.result,
        )

    def _ready_at(self) -> datetime | None:
        if isinstance(self.agreement.source, TemplateSource):
            return self._noted("generated")
        return self.carried.sent_at

    def _noted(self, what: str) -> datetime | None:
        """When a step of the workflow was first added to the timeline."""
        notes = (entry for entry in self.progress.timeline if entry.event_id is None and entry.what == what)
        first = next(notes, None)
        return datetime.fromisoformat(first.at) if first and first.at else None

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
