"""Error types of a step: the values of `ApplicationError.type`, by `countersign/providers/retry_table.py`.

The history holds them in plain text, so they contain no personal data. A send that ends in `NOT_SENT` or
`SOURCE_UNUSABLE` never reached the provider. A send that ends in `POSTPONED` or `REFUSED` reached it, and the
provider's status says that it was not done: evidence decides. Any other outcome is unknown.
"""

from collections.abc import Iterable
from typing import Final

BAD_INPUT: Final = "BadInput"
"""The input is invalid; no step has run."""
NOT_SENT: Final = "NotSent"
"""The request provably never reached the provider."""
THROTTLED: Final = "Throttled"
"""The provider responded with 429: too many requests."""
KEY_REPLACED: Final = "KeyReplaced"
"""The provider responded with 401 to an API key that has been replaced in the meantime."""
REJECTED: Final = "Rejected"
"""The provider rejected the request."""
UNAUTHORIZED: Final = "Unauthorised"
"""The API key is wrong or lacks a role, or the plan is exhausted."""
UNAVAILABLE: Final = "Unavailable"
"""A read failed."""
OUTCOME_UNKNOWN: Final = "OutcomeUnknown"
"""A write may have reached the provider; its outcome is unknown."""
CONTRACT_BROKEN: Final = "ContractBroken"
"""The response to a read violates the provider's contract."""
REFERENCE_USED: Final = "ReferenceUsed"
"""An earlier agreement has claimed the reference permanently."""
NOTHING_SENT: Final = "nothing was sent; the reference is free again"
"""A detail of an agreement's failure: the agreement released its reference."""
NOT_BEGUN: Final = "the send had not begun"
"""A detail of the failure of a send that generates: it could not generate, so nothing was sent."""
SOURCE_UNUSABLE: Final = "SourceUnusable"
"""A file to send or an image of a variable was changed, or the template needs other variables."""
NOT_OURS: Final = "NotOurs"
"""The provider does not know a document that an event names, or not yet."""
ARCHIVE_FAILED: Final = "ArchiveFailed"
"""The document is completed, but could not be downloaded, checked or stored. details[0] is the last check."""
NOT_DELIVERED: Final = "NotDelivered"
"""An event was not delivered to everybody who is called back."""

CANCELED: Final = "Canceled"
"""An operator canceled the agreement's workflow; its document is void."""
STOPPED: Final = "Stopped"
"""The agreement's workflow was terminated, or Temporal has forgotten it; signers may have the document."""
STILL_RUNNING: Final = "StillRunning"
"""The agreement has not ended yet."""

PROVIDER_MESSAGE: Final = "provider_message"
"""The key of a detail of a failure: the provider's own words. They may name people, so messages omit them."""

CALLBACKS: Final = "callbacks"
"""The key of a detail of a refused claim: who is called back about the failure."""

POSTPONED: Final = frozenset({THROTTLED, KEY_REPLACED})
REFUSED: Final = frozenset({REJECTED, UNAUTHORIZED})


def is_nothing_sent(kind: str | None, details: Iterable[object]) -> bool:
    """Return whether an agreement with this failure sent nothing, so that its reference is free again.

    Args:
        kind: The failure's type.
        details: The failure's details.
    """
    return kind == BAD_INPUT or NOTHING_SENT in details


def provider_message(details: Iterable[object]) -> str | None:
    """Return the provider's own words from a failure's details; None if it gave none."""
    for detail in details:
        if isinstance(detail, dict) and isinstance(words := detail.get(PROVIDER_MESSAGE), str):
            return words
    return None


def callbacks_in(details: Iterable[object]) -> tuple[str, ...] | None:
    """Return who is called back, from the details of a refused claim; None if they do not say."""
    for detail in details:
        if isinstance(detail, dict) and isinstance(names := detail.get(CALLBACKS), list):
            return tuple(name for name in names if isinstance(name, str))
    return None
