"""What can be seen of a chaos run from outside: by ledger, archive and exported histories. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Wish = Literal["sign", "void", "cancel"]
"""What people want to become of an agreement."""


@dataclass(frozen=True)
class Document:
    """A document that the provider's ledger holds.

    Args:
        document_id: The provider's id.
        status: Its status there.
        invited: Who was e-mailed a request to sign, once for each e-mail.
        signed_sha256: The hash of the signed PDF, as the provider serves it.
        reminded: How many reminders went out.
    """

    document_id: str
    status: str = "under_review"
    invited: tuple[str, ...] = ()
    signed_sha256: str | None = None
    reminded: int = 0

    @property
    def is_live(self) -> bool:
        """Whether people can sign it, or have."""
        return self.status not in {"voided", "expired"}


@dataclass(frozen=True)
class Case:
    """One agreement, seen from outside.

    Args:
        reference: Its reference.
        wish: What people wanted to become of it.
        ended: `completed`, `voided`, ...; `cancelled`, `failed`; None if it still runs.
        waited: It needed a person's attention when the faults had stopped and all else had settled.
        overlooked: How many documents of its send the provider's ledger held while it waited.
        documents: What the provider has under its marker.
        unknown_sends: Sends whose outcome its workflow was not told, by its history.
        reminds: How many steps reminded, or tried to, by its history.
        files: What the archive holds for it: SHA-256 by file name.
        archivings: How many steps stored the archive, by its history.
        accepted: Ids of events that the receiver accepted while it ran, by the provider's delivery log.
        signalled: Ids of events in its history, as often as they came.
        recorded: Ids of events on its timeline, applied or ignored; None if it does not answer.
        unreplayable: Why its history does not replay.
    """

    reference: str
    wish: Wish = "sign"
    ended: str | None = None
    waited: bool = False
    overlooked: int = 0
    documents: tuple[Document, ...] = ()
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
    """All agreements of a run, after the last fault, and what is still under way.

    Args:
        cases: The agreements.
        undelivered: Webhook deliveries that the provider still tries.
        pending: Steps that Temporal still tries.
    """

    cases: tuple[Case, ...]
    undelivered: int = 0
    pending: int = 0
