"""Inputs and results of the activities. All of them go into the history: no files, no keys."""

from datetime import datetime, timedelta
from operator import not_

from pydantic import Field

from countersign.agreements.callbacks import CallbackEvent
from countersign.agreements.messages import (
    SEND_EMAILS,
    Archive,
    DeliverableSource,
    FileSource,
    LinkSource,
    Message,
    Observation,
    RolesSource,
    Sender,
    SignatureField,
    Signer,
    TemplateSource,
    TimelineEntry,
)
from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.agreements.reference import Marker
from countersign.agreements.validation import Needs

SendableSource = DeliverableSource | FileSource | LinkSource | RolesSource


class ClaimRequest(Message):
    """Claim a reference.

    Args:
        reference: The reference.
        run_id: The agreement's first run; a retry with the same run is no second claim.
        problems: Why the agreement must not begin, one sentence each.
        account: The account that the agreement names; None for the default.
        needs: What it asks of the account's provider.
    """

    reference: str
    run_id: str
    problems: tuple[str, ...] = ()
    account: str | None = None
    needs: Needs | None = None


class Claimed(Message):
    """What holds for the whole agreement, whatever the workers' settings are later.

    Args:
        tag: Marks its document; partly random, so that others cannot compute it.
        at: When it was claimed: its document is not older.
        time_scale: Factor by which every wait is shortened: 1 in production, more in tests.
        longest_check_wait: The longest wait between two checks with the provider.
        claim: The number of its claim: 1, or more after claims of the reference that were released.
        account: The account at the provider.
        callbacks: Who is called back: `callback_url`, and the names of the operators' subscriptions.
    """

    tag: str
    at: datetime | None = None
    time_scale: float = 1
    longest_check_wait: timedelta = timedelta(days=1)
    claim: int = 1
    account: str = DEFAULT_ACCOUNT
    callbacks: tuple[str, ...] = Field(default=(), exclude_if=not_)


class SendAttempt(Message):
    """One attempt to send: the reference, the number of its claim, and how many attempts there were."""

    reference: str
    claim: int
    number: int


class GenerateRequest(Message):
    """Generate a document from a template; found again by its marked name before it is repeated."""

    marker: Marker
    title: str
    source: TemplateSource


class SendRequest(Message):
    """Send a document, or prepare it for review, once; `attempt` names the fence of the attempt."""

    marker: Marker
    title: str
    description: str | None
    sender: Sender | None
    source: SendableSource = Field(discriminator="kind")
    signers: tuple[Signer, ...]
    cc: tuple[str, ...]
    fields: tuple[SignatureField, ...]
    attempt: SendAttempt
    review: bool = False
    send_emails: bool = SEND_EMAILS


class Sent(Message):
    """The provider's document and its recipients' ids, in the order of the agreement's signers.

    `at` is the time of the response, by the worker's clock. `review_url` is where it is reviewed.
    """

    document_id: str
    recipient_ids: tuple[str, ...]
    at: datetime | None = None
    review_url: str | None = None


class IdentifyRequest(Message):
    """Check that a document is the agreement's.

    Args:
        marker: The agreement's.
        document_id: The document.
        title: The agreement's title, without the marker.
        sender: Who asks for signatures; by default the settings' sender.
        signers: Its signers.
        since: The document must not be older.
    """

    marker: Marker
    document_id: str
    title: str
    sender: Sender | None
    signers: tuple[Signer, ...]
    since: datetime | None


class Identity(Message):
    """Whether a document is the agreement's: `sent` if it is, else what `differs`, in words."""

    sent: Sent | None = None
    differs: tuple[str, ...] = ()


class SearchRequest(Message):
    """Search the provider's delivery log for documents that carry the marker, since a time."""

    marker: Marker
    since: datetime


class SearchResult(Message):
    """Documents that carry the marker, and what was read to find them, in words.

    `is_conclusive`: it proves that nothing else was sent.
    """

    candidates: tuple[str, ...]
    evidence: tuple[str, ...]
    is_conclusive: bool = False


class CheckRequest(Message):
    """Get a document's state."""

    document_id: str


class VoidDocumentRequest(Message):
    """Void a document, with a reason that its signers read."""

    marker: Marker
    document_id: str
    reason: str


class RemindRequest(Message):
    """Remind the signers who can sign now; `number` counts reminders."""

    marker: Marker
    document_id: str
    number: int


class ArchiveRequest(Message):
    """Confirm completion, then store the signed document with its evidence."""

    marker: Marker
    document_id: str
    timeline: tuple[TimelineEntry, ...]


class ArchiveOutcome(Message):
    """The provider's observation, and the archive if it is `completed`."""

    observation: Observation
    archive: Archive | None = None


class DeliveryRequest(Message):
    """Call one target back, once.

    Args:
        target: `callback_url`, or the name of a subscription.
        event: The body, without links.
        event_id: The header `webhook-id`.
        url: The agreement's `callback_url`, if that is the target.
        secret_key: The key in the store of the agreement's own secret, if it has one.
    """

    target: str
    event: CallbackEvent
    event_id: str
    url: str | None = Field(default=None, repr=False)
    secret_key: str | None = None


class Attempted(Message):
    """What one attempt to call back ended in: a status, or a problem, or a refusal.

    Args:
        status: The HTTP status of the response.
        retry_after: Seconds that the response asks to wait.
        problem: Why there was no response.
        may_have_arrived: The request was sent, at least in part, although there was no response.
        refused: Why the settings do not let the callback be made.
    """

    status: int | None = None
    retry_after: float | None = None
    problem: str | None = None
    may_have_arrived: bool = False
    refused: str | None = None
