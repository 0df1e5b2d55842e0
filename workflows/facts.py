"""What a running agreement knows: read by every step, written by `state.py` alone."""

from datetime import datetime, timedelta
from typing import Literal

from temporalio import workflow

from countersign.events import SignatureEvent
from workflows import progress, schedule
from workflows.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Archive,
    Continued,
    Resolution,
    SignerStatus,
    Stage,
    VoidRequest,
    WaitingFor,
)
from workflows.tasks import Sent

ResolvedBy = Literal["webhook", "poll", "operator"]


class AgreementFacts:
    """What is known in one run of an agreement.

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
        self.known_time = (carried and carried.known_time) or workflow.info().workflow_start_time
        self.looks = carried.looks if carried else 0
        self.next_look_at: datetime | None = carried.next_look_at if carried else None
        self.reminders = carried.reminders if carried else 0
        self.sends = carried.sends if carried else 0
        self.may_have_sent = False
        self.dismissed: frozenset[str] = carried.dismissed if carried else frozenset()
        self.inbox: list[SignatureEvent] = []
        self.void_request: VoidRequest | None = None
        self.resolution: tuple[Resolution, Sent | None] | None = None
        self.remind_now = False
        self.last_error: str | None = carried.last_error if carried else None
        self.trouble: str | None = None
        self.ended_by: ResolvedBy = "poll"
        self.reason: str | None = None
        self.deadline_passed = carried.deadline_passed if carried else False
        self.archive: Archive | None = None
        self.result: AgreementResult | None = None
        self.ended_at: datetime | None = None

    def document(self) -> str:
        """The document's id, once it is known."""
        if self.progress.document_id is None:
            raise RuntimeError("the document's id is asked for before the send")
        return self.progress.document_id

    def unresolved(self) -> frozenset[str]:
        """Other documents with our marker that nobody has dealt with."""
        return self.progress.others - self.dismissed

    def sent_nothing(self) -> bool:
        """Whether it is certain, before the document is known, that there is none that people could sign."""
        return not self.may_have_sent and not self.candidates()

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

    def learn_time(self, at: datetime | None) -> None:
        """Learn from a recorded time (a fired timer's, an activity result's) that it is at least so late."""
        if at is not None:
            self.known_time = max(self.known_time, at)

    def next_reminder_at(self) -> datetime | None:
        """When signers are due to be reminded next, by the agreement's plan."""
        if self.sent_at is None:
            return None
        return schedule.next_reminder(self.agreement.reminders, self.sent_at, self.reminders)

    def paced(self, wait: timedelta) -> timedelta:
        """How long a wait takes at this agreement's pace."""
        return wait / self.pace

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
            ready_at=self._noted("generated") or self.sent_at,
            sent_at=self._noted("sent"),
            ended_at=self.ended_at,
            supersedes=self.agreement.supersedes,
            next_look_at=None if self._is_over() else self.next_look_at,
            next_reminder_at=None if self._is_over() else self.next_reminder_at(),
            last_error=self.last_error,
            reminders=self.reminders,
            ignored=self.progress.ignored,
            result=self.result,
        )

    def _noted(self, what: str) -> datetime | None:
        """When one of our own steps was first noted on the timeline."""
        notes = (each for each in self.progress.timeline if each.event_id is None and each.what == what)
        first = next(notes, None)
        return datetime.fromisoformat(first.at) if first and first.at else None

    def _is_over(self) -> bool:
        """Whether nothing more is asked of the provider or the signers: only archiving may be left."""
        return self.result is not None or self.progress.ended is not None

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
            known_time=self.known_time,
            looks=self.looks,
            next_look_at=self.next_look_at,
            reminders=self.reminders,
            deadline_passed=self.deadline_passed,
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
