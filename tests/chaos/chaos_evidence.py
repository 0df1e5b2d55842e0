"""The evidence of a chaos run, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Wish = Literal["sign", "void", "cancel"]
"""The end that people want for an agreement."""


@dataclass(frozen=True)
class Document:
    """A document in the provider's ledger.

    Args:
        document_id: The provider's id.
        status: `open`, `completed`, `voided`, `expired` or `declined`; `draft` if it reached no signer.
        invited: The addresses of all invitations; an address appears once per e-mail.
        signed_sha256: The hash of the provider's signed PDF.
        reminded: Number of reminders.
        is_forged: Whether another member made it.
    """

    document_id: str
    status: str = "open"
    invited: tuple[str, ...] = ()
    signed_sha256: str | None = None
    reminded: int = 0
    is_forged: bool = False

    @property
    def is_live(self) -> bool:
        """Whether people can sign the document, or have signed it."""
        return self.status in {"open", "completed"}


@dataclass(frozen=True)
class Case:
    """The evidence of one agreement.

    Args:
        reference: Its reference.
        account: Its account.
        is_conclusive: Whether a search of the account proves that nothing was sent: no person must be asked.
        attachments: Files that the account archives beside those of all accounts.
        wish: The end that people wanted.
        ended: `completed`, `voided`, ...; `cancelled`, `failed`; None if it still runs.
        asked: Whether it asked a person at any time whether its document was sent, from its history.
        waited: Whether it needed a person after the faults had stopped and all else had settled.
        overlooked: Number of its documents in the provider's ledger while it waited.
        documents: The provider's documents with its marker, without forged ones.
        forged: The forged documents with its marker.
        unknown_sends: Number of sends with an unknown outcome, from its history.
        reminds: Number of reminder activities, from its history.
        files: SHA-256 of its archived files by name.
        archivings: Number of activities that stored the archive, from its history.
        accepted: Ids of events that the receiver accepted while it ran, from the provider's delivery log.
        signalled: Ids of the events in its history, with repetitions.
        recorded: Ids of the events on its timeline, applied or ignored; None if the query fails.
        unreplayable: The error of its replay.
    """

    reference: str
    account: str = "turbodocx"
    is_conclusive: bool = False
    attachments: tuple[str, ...] = ()
    wish: Wish = "sign"
    ended: str | None = None
    asked: bool = False
    waited: bool = False
    overlooked: int = 0
    documents: tuple[Document, ...] = ()
    forged: tuple[Document, ...] = ()
    unknown_sends: int = 0
    reminds: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    archivings: int = 0
    accepted: tuple[str, ...] = ()
    signalled: tuple[str, ...] = ()
    recorded: tuple[str, ...] | None = ()
    unreplayable: str | None = None


@dataclass(frozen=True)
class Evidence:
    """The evidence of a run.

    Args:
        cases: The agreements.
        undelivered: Number of webhook deliveries that the provider still retries.
        pending: Number of activities that Temporal still retries.
    """

    cases: tuple[Case, ...]
    undelivered: int = 0
    pending: int = 0
