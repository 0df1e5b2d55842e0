"""A stand-in for the agreement workflow: the same contract, and no provider behind it."""

import asyncio
from typing import Final

from temporalio import workflow

from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Archive,
    Outcome,
    ResolvedBy,
    SignerStatus,
    Stage,
    StoredDocument,
    VoidRequest,
    WaitingFor,
)
from countersign.agreements.names import SIGNATURE_EVENT, WORKFLOW_NAME

_ENDS: Final = {
    EventKind.COMPLETED: Outcome.COMPLETED,
    EventKind.VOIDED: Outcome.VOIDED,
    EventKind.DECLINED: Outcome.DECLINED,
    EventKind.EXPIRED: Outcome.EXPIRED,
}


@workflow.defn(name=WORKFLOW_NAME)
class StandInAgreementWorkflow:
    """Await the event that ends the document, and believe it: there is no provider to ask."""

    @workflow.init
    def __init__(self, agreement: AgreementInput) -> None:
        self._agreement = agreement
        self._document_id = f"document-{agreement.reference}"
        self._result: AgreementResult | None = None

    @workflow.run
    async def run(self, agreement: AgreementInput) -> AgreementResult:  # noqa: ARG002  # `__init__` has taken it
        """Wait for an end.

        Args:
            agreement: What a caller starts the real workflow with.

        Returns:
            The outcome; the archive of a completed one has keys and no files.
        """
        try:
            await workflow.wait_condition(lambda: self._result is not None)
        except asyncio.CancelledError:
            self._end(Outcome.VOIDED, "operator", "Cancelled.")
            raise
        assert self._result is not None  # noqa: S101  # the condition above
        return self._result

    @workflow.signal(name=SIGNATURE_EVENT)
    def signature_event(self, event: SignatureEvent) -> None:
        """Take an event of the document, as the webhook receiver signals it."""
        if outcome := _ENDS.get(EventKind(event.kind)) if event.kind in set(EventKind) else None:
            self._end(outcome, "webhook")

    @workflow.update
    def void(self, request: VoidRequest) -> None:
        """End the document as voided."""
        self._end(Outcome.VOIDED, "operator", request.reason)

    @workflow.query
    def status(self) -> AgreementStatus:
        """Return the stage, the signers and the result."""
        return AgreementStatus(
            reference=self._agreement.reference,
            stage=Stage(self._result.outcome) if self._result else Stage.AWAITING_SIGNATURES,
            waiting_for=WaitingFor.NO_ONE if self._result else WaitingFor.SIGNATURES,
            document_id=self._document_id,
            signers=tuple(
                SignerStatus(name=signer.name, order=signer.order or number)
                for number, signer in enumerate(self._agreement.signers, start=1)
            ),
            deadline=self._agreement.deadline,
            result=self._result,
        )

    def _end(self, outcome: Outcome, resolved_by: ResolvedBy, reason: str | None = None) -> None:
        self._result = self._result or AgreementResult(
            reference=self._agreement.reference,
            outcome=outcome,
            document_id=self._document_id,
            resolved_by=resolved_by,
            reason=reason,
            archive=_archive(self._agreement.reference) if outcome is Outcome.COMPLETED else None,
        )


def _archive(reference: str) -> Archive:
    """Name an archive as the real workflow does; nothing is stored."""
    keys = (
        f"test/default/{reference.lower()}/{name}"
        for name in ("signed.pdf", "audit-trail.json", "timeline.json")
    )
    signed, audit_trail, timeline = (
        StoredDocument(key=key, size=1, sha256="0" * 64, url=f"memory:///{key}") for key in keys
    )
    return Archive(document=signed, audit_trail=audit_trail, timeline=timeline)
