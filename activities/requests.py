"""Inputs and results of the activities. All of them go into the history: no files, no keys."""

from datetime import datetime, timedelta
from operator import not_
from typing import Any, Self

from pydantic import Field

from countersign.agreements.callbacks import CallbackEvent
from countersign.agreements.messages import (
    SEND_EMAILS,
    AgreementInput,
    Archive,
    DeliverableSource,
    FileSource,
    LinkSource,
    Message,
    Observation,
    Outcome,
    RolesSource,
    Sender,
    Short,
    SignatureField,
    Signer,
    StoredDocument,
    TemplateSource,
    TimelineEntry,
)
from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.agreements.notices import Channel, Digest, Notice, Problem
from countersign.agreements.reference import Marker
from countersign.agreements.validation import Needs

SendableSource = TemplateSource | DeliverableSource | FileSource | LinkSource | RolesSource
"""What a send may begin with; it generates the document from a template first."""


class ClaimRequest(Message):
    """Claim a reference.

    Args:
        reference: The reference.
        run_id: The agreement's first run; a retry with the same run is no second claim.
        problems: Why the agreement must not begin, one sentence each.
        account: The account that the agreement names; None for the default.
        needs: What it asks of the account's provider.
        agreement: Its input, which the store keeps for `countersign recover`.
    """

    reference: str
    run_id: str
    problems: tuple[str, ...] = ()
    account: str | None = None
    needs: Needs | None = None
    agreement: AgreementInput | None = None


class Recovered(Message):
    """What the store knows of an agreement that Temporal has lost, and that this one continues.

    Args:
        documents: The documents that its sends recorded, the last one first.
        sends: How many attempts to send there were.
    """

    documents: tuple[str, ...] = ()
    sends: int = 0


class Claimed(Short):
    """What holds for the whole agreement, whatever the workers' settings are later.

    Args:
        tag: Marks its document; partly random, so that others cannot compute it.
        at: When it was claimed: its document is not older.
        time_scale: Factor by which every wait is shortened: 1 in production, more in tests.
        longest_check_wait: The longest wait between two checks with the provider.
        claim: The number of its claim: 1, or more after claims of the reference that were released.
        account: The account at the provider.
        callbacks: Who is called back: `callback_url`, and the names of the operators' subscriptions.
        watched: Whether the account's watcher reads what changes at the provider.
        records_end: Whether the store is told of an end without an archive. Histories from before do not.
        recovered: What is known of the lost agreement that this one continues.
    """

    tag: str
    at: datetime | None = None
    time_scale: float = 1
    longest_check_wait: timedelta = timedelta(days=1)
    claim: int = 1
    account: str = DEFAULT_ACCOUNT
    callbacks: tuple[str, ...] = Field(default=(), exclude_if=not_)
    watched: bool = Field(default=False, exclude_if=not_)
    records_end: bool = Field(default=False, exclude_if=not_)
    recovered: Recovered | None = None


class EndRequest(Message):
    """Record how an agreement ended that has no archive."""

    reference: str
    outcome: Outcome
    document_id: str | None = None


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


class SendRequest(Short):
    """Send a document, or prepare it for review, once; `claim` and `attempt` name the fence of the attempt.

    Args:
        marker: The agreement's.
        title: Its title, without the marker.
        source: What is sent; a template is generated first.
        signers: Its signers.
        description: A message to them.
        sender: Who asks for signatures; by default the settings' sender.
        cc: Who receives a copy.
        fields: What signers fill.
        review: Prepare it for review.
        claim: The number of the reference's claim.
        attempt: The number of the attempt.
        deadline: An attempt that begins later, by Temporal's clock, asks nobody any more.
    """

    marker: Marker
    title: str
    source: SendableSource = Field(discriminator="kind")
    signers: tuple[Signer, ...]
    description: str | None = None
    sender: Sender | None = None
    cc: tuple[str, ...] = ()
    fields: tuple[SignatureField, ...] = ()
    review: bool = False
    send_emails: bool = SEND_EMAILS
    claim: int = 1
    attempt: int = 1
    deadline: datetime | None = None


class Sent(Short):
    """The provider's document and its recipients' ids, in the order of the agreement's signers.

    Args:
        document_id: The document.
        recipient_ids: Its recipients.
        at: The time of the response, by the worker's clock.
        review_url: Where it is reviewed.
        generated_at: When the send generated it, if it did.
        deliverable_id: What it generated, if that is sent again after a review.
    """

    document_id: str
    recipient_ids: tuple[str, ...]
    at: datetime | None = None
    review_url: str | None = None
    generated_at: datetime | None = None
    deliverable_id: str | None = None


class IdentifyRequest(Short):
    """Check that a document is the agreement's.

    Args:
        marker: The agreement's.
        document_id: The document.
        title: The agreement's title, without the marker.
        signers: Its signers.
        sender: Who asks for signatures; by default the settings' sender.
        since: The document must not be older.
    """

    marker: Marker
    document_id: str
    title: str
    signers: tuple[Signer, ...]
    sender: Sender | None = None
    since: datetime | None = None


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


class Checked(Observation):
    """A document's state, and whether the account's watcher reads what changes at the provider."""

    watched: bool = Field(default=False, exclude_if=not_)


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


class Reminded(Message):
    """The signers were reminded.

    Args:
        at: When the attempt began, by Temporal's clock.
    """

    at: datetime


Row = tuple[str | int | None, ...]
"""A timeline entry in few bytes: time, what, event id, number of the recipient from 0, why it was ignored."""


class ArchiveRequest(Short):
    """Confirm completion, then store the signed document with its evidence.

    Args:
        reference: The agreement's.
        document_id: The document.
        rows: The timeline; a row ends before the first of its last values that are None.
        recipients: The ids that rows have the numbers of.
    """

    reference: str
    document_id: str
    rows: tuple[Row, ...] = ()
    recipients: tuple[str, ...] = ()

    @classmethod
    def of(cls, reference: str, document_id: str, timeline: tuple[TimelineEntry, ...]) -> Self:
        """Make the request; see `timeline`."""
        recipients = tuple(dict.fromkeys(entry.recipient_id for entry in timeline if entry.recipient_id))
        return cls(
            reference=reference,
            document_id=document_id,
            rows=tuple(_row(entry, recipients) for entry in timeline),
            recipients=recipients,
        )

    @property
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """The timeline, as the workflow knows it."""
        return tuple(self._entry(*row) for row in self.rows)

    def _entry(
        self, at: Any, what: Any, event_id: Any = None, recipient: Any = None, ignored: Any = None
    ) -> TimelineEntry:
        recipient_id = None if recipient is None else self.recipients[recipient]
        return TimelineEntry(at=at, what=what, event_id=event_id, recipient_id=recipient_id, ignored=ignored)


def _row(entry: TimelineEntry, recipients: tuple[str, ...]) -> Row:
    recipient = recipients.index(entry.recipient_id) if entry.recipient_id else None
    row: Row = (entry.at, entry.what, entry.event_id, recipient, entry.ignored)
    while row[-1] is None:
        row = row[:-1]
    return row


class Filed(Short):
    """An archive in few bytes: its files stand together, under names that begin alike.

    Args:
        key: The part of their keys before the name, with its slash.
        url: The part of their URLs before the name.
        files: Name, size in bytes and SHA-256 of each: the document, the audit trail, the timeline, then the
            provider's further files.
    """

    key: str
    url: str
    files: tuple[tuple[str, int, str], ...]

    @classmethod
    def of(cls, archive: Archive) -> Self | None:
        """Write an archive in few bytes; None if its files do not stand together."""
        files = (archive.document, archive.audit_trail, archive.timeline, *archive.attachments)
        folder, url = (place.rpartition("/")[0] + "/" for place in (files[0].key, files[0].url))
        names = [file.key.rpartition("/")[2] for file in files]
        filed = cls(
            key=folder,
            url=url,
            files=tuple((name, file.size, file.sha256) for name, file in zip(names, files, strict=True)),
        )
        return filed if filed.archive() == archive else None

    def archive(self) -> Archive:
        """Return the archive."""
        document, audit_trail, timeline, *attachments = (
            StoredDocument(key=self.key + name, size=size, sha256=sha256, url=self.url + name)
            for name, size, sha256 in self.files
        )
        return Archive(
            document=document, audit_trail=audit_trail, timeline=timeline, attachments=tuple(attachments)
        )


class ArchiveOutcome(Short):
    """The provider's observation, and the archive if it is `completed`: as `filed` where that is possible."""

    observation: Observation
    archive: Archive | None = None
    filed: Filed | None = None

    @classmethod
    def of(cls, observation: Observation, archive: Archive) -> Self:
        """Return the outcome of a completed archive."""
        filed = Filed.of(archive)
        return cls(observation=observation, archive=None if filed else archive, filed=filed)

    def stored(self) -> Archive | None:
        """Return the archive; None if there is none."""
        return self.filed.archive() if self.filed else self.archive


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


class ReadRequest(Message):
    """Read what changed at the provider, from a position that an earlier reading returned; {} at first."""

    position: dict[str, str] = Field(default={})


class Reading(Message):
    """What a reading of the provider's changes ended in.

    Args:
        position: From where the next reading goes on.
        at: When it was made, by the worker's clock.
        next_in: How long to wait for the next one.
        signalled: How many events agreements had missed.
        blind: Why the changes cannot be read, in one clause; None if they were read.
        missed: Why some of them were not read, although they can be; None if all were.
    """

    position: dict[str, str]
    at: datetime
    next_in: timedelta
    signalled: int = 0
    blind: str | None = None
    missed: str | None = None


class UnwatchRequest(Message):
    """Have an account's open agreements check by themselves, because its watcher lost sight."""

    account: str


class FindProblemsRequest(Message):
    """Find what is wrong.

    Args:
        channel: The channel that the notices go out by.
        looked_at: When the last look was; None at the first look.
        digested_at: When the last digest was made, or the first look; None at the first look.
        missed_at: When an account's watcher last found events that no webhook had brought.
    """

    channel: Channel
    looked_at: datetime | None = None
    digested_at: datetime | None = None
    missed_at: dict[str, datetime] = Field(default={})


class Findings(Message):
    """What is wrong at one time.

    Args:
        at: When it was seen, by the worker's clock.
        is_on: Whether the settings have the channel.
        problems: The problems.
        unsure: The keys of problems of which this look cannot say whether they are over; one that ends with
            a colon stands for a whole kind.
        missed_at: As in the request, with what this look has found.
        digest: The digest, if one is due.
    """

    at: datetime
    is_on: bool = True
    problems: tuple[Problem, ...] = ()
    unsure: tuple[str, ...] = ()
    missed_at: dict[str, datetime] = Field(default={})
    digest: Digest | None = None


class DeliverNoticeRequest(Message):
    """Deliver a notice.

    Args:
        channel: How.
        notice: The notice.
        notice_id: The same for every attempt.
    """

    channel: Channel
    notice: Notice
    notice_id: str
