"""What an agreement answers when it is asked how it stands."""

from datetime import datetime

from workflows.messages.message import Message
from workflows.messages.result import AgreementResult
from workflows.messages.stages import Stage, WaitingFor


class SignerStatus(Message):
    """One signer's progress. Times are ISO 8601 as the provider wrote them; "" if nobody told when."""

    name: str
    order: int
    viewed_at: str | None = None
    signed_at: str | None = None


class AgreementStatus(Message):
    """What the `status` query answers.

    Args:
        reference: The agreement's reference.
        stage: Where it is.
        waiting_for: Who or what moves it on.
        provider_wait: Why a step at the provider is held up, in one sentence. The workflow does not know:
            the commands ask Temporal.
        failure: Why it failed without an outcome, in one sentence; the commands ask Temporal for this too.
        needs_attention: What a person must decide, in one sentence; None if nothing.
        document_id: The provider's id of the document, once known.
        candidates: Documents that carry our marker, where it is unclear which is ours.
        signers: Each signer's progress, as they were listed at the start: the first is signer 1.
        deadline: When it expires.
        ready_at: When its document was ready to be sent.
        sent_at: When the provider was known to have it.
        ended_at: When it ended.
        supersedes: The reference of the agreement that it replaces.
        next_look_at: When the provider is asked next, if no webhook comes first; None once there is an end.
        next_reminder_at: When signers are reminded next.
        last_error: The last failure of a step that was not simply tried again, with its time.
        reminders: How many reminders went out.
        ignored: How many events were recorded and not applied.
        result: How it ended, if it has.
    """

    reference: str
    stage: Stage
    waiting_for: WaitingFor
    provider_wait: str | None = None
    failure: str | None = None
    needs_attention: str | None = None
    document_id: str | None = None
    candidates: tuple[str, ...] = ()
    signers: tuple[SignerStatus, ...] = ()
    deadline: datetime | None = None
    ready_at: datetime | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    supersedes: str | None = None
    next_look_at: datetime | None = None
    next_reminder_at: datetime | None = None
    last_error: str | None = None
    reminders: int = 0
    ignored: int = 0
    result: AgreementResult | None = None
