"""How an agreement ended, and where the evidence is."""

from typing import Literal

from workflows.messages.message import Message
from workflows.messages.stages import Outcome


class StoredDocument(Message):
    """A file in the store: its key, its size in bytes and its SHA-256."""

    key: str
    size: int
    sha256: str
    url: str


class Archive(Message):
    """The signed document with its evidence."""

    document: StoredDocument
    audit_trail: StoredDocument
    timeline: StoredDocument


class AgreementResult(Message):
    """How an agreement ended.

    Args:
        reference: Its reference.
        outcome: What became of it.
        document_id: The provider's id of the document, if there is one.
        resolved_by: What made us know: `webhook`, `poll` (our own clock), or `operator`.
        reason: Why it was voided or abandoned.
        archive: The signed document, if completed.
    """

    reference: str
    outcome: Outcome
    document_id: str | None = None
    resolved_by: Literal["webhook", "poll", "operator"]
    reason: str | None = None
    archive: Archive | None = None
