"""What each activity is given and gives back. All of it goes into the history: no files, no keys."""

from datetime import datetime

from pydantic import Field

from workflows.messages import (
    Archive,
    DeliverableSource,
    FileSource,
    LinkSource,
    Message,
    RolesSource,
    Sender,
    SignatureField,
    Signer,
    TemplateSource,
)
from workflows.progress import Observation, TimelineEntry

SendableSource = DeliverableSource | FileSource | LinkSource | RolesSource


class ClaimInput(Message):
    """Claim a reference for good. `run_id` is the first run's, so that a retry is no second claim."""

    reference: str
    run_id: str


class Claimed(Message):
    """What the agreement keeps to for all its life, whatever the workers' settings are later.

    Args:
        tag: Marks its document in this environment and namespace.
        pace: How many times faster than usual it waits.
    """

    tag: str
    pace: float = 1


class GenerateInput(Message):
    """Generate a document from a template; found again by its marked name before it is repeated."""

    reference: str
    tag: str
    title: str
    source: TemplateSource


class SendInput(Message):
    """Ask for signatures, once. `number` counts deliberate sends: a person may order another."""

    reference: str
    tag: str
    title: str
    description: str | None
    sender: Sender | None
    source: SendableSource = Field(discriminator="kind")
    signers: tuple[Signer, ...]
    cc: tuple[str, ...]
    fields: tuple[SignatureField, ...]
    number: int


class Sent(Message):
    """The provider's document and its recipients' ids, in the order of the agreement's signers.

    `at` is when the provider said so, by the worker's clock.
    """

    document_id: str
    recipient_ids: tuple[str, ...]
    at: datetime | None = None


class IdentifyInput(Message):
    """Check that a document is ours: marker, tag and recipients must match."""

    reference: str
    tag: str
    document_id: str
    signers: tuple[Signer, ...]


class SearchInput(Message):
    """Look for documents that carry our marker, announced since a time. Reads the provider's delivery log."""

    reference: str
    tag: str
    since: datetime


class SearchResult(Message):
    """Documents that may be ours, and what was read to find them, in words."""

    candidates: tuple[str, ...]
    evidence: tuple[str, ...]


class DocumentInput(Message):
    """A document to look at."""

    document_id: str


class VoidInput(Message):
    """Void a document, with a reason that its signers will read."""

    reference: str
    tag: str
    document_id: str
    reason: str


class RemindInput(Message):
    """Remind whoever's turn it is; `number` counts reminders."""

    reference: str
    tag: str
    document_id: str
    number: int


class ArchiveInput(Message):
    """Confirm completion, then store the signed document with its evidence."""

    reference: str
    document_id: str
    timeline: tuple[TimelineEntry, ...]


class ArchiveOutcome(Message):
    """What the provider said, and the archive if that was `completed`."""

    observation: Observation
    archive: Archive | None = None
