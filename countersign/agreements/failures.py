"""The names of what a step can fail with: `ApplicationError.type`, as `activities/errors.py` raises it.

Always plain in the history, so they hold nothing about a person. A send that ends in `NOT_SENT` or
`SOURCE_UNUSABLE` never left. One that ends in `POSTPONED` or `REFUSED` left, and the provider's status says
that it was not done: evidence decides. Any other outcome is unknown.
"""

from typing import Final

BAD_INPUT: Final = "BadInput"
"""The agreement could not end well, so it was not begun."""
NOT_SENT: Final = "NotSent"
"""Provably never left for the provider."""
THROTTLED: Final = "Throttled"
"""429: the provider responded that it had too many requests."""
KEY_REPLACED: Final = "KeyReplaced"
"""401 with a key that has been replaced meanwhile."""
REJECTED: Final = "Rejected"
"""The provider understood and said no."""
UNAUTHORIZED: Final = "Unauthorised"
"""The key is wrong, lacks a role, or its plan is exhausted."""
UNAVAILABLE: Final = "Unavailable"
"""A read could not be answered."""
OUTCOME_UNKNOWN: Final = "OutcomeUnknown"
"""A write left, and what became of it is not known."""
CONTRACT_BROKEN: Final = "ContractBroken"
"""A read was answered with something the contract does not allow."""
REFERENCE_USED: Final = "ReferenceUsed"
"""An earlier agreement has claimed the reference for good."""
NOTHING_SENT: Final = "nothing was sent; the reference is free again"
"""A detail of an agreement's failure: it gave its reference back."""
SOURCE_UNUSABLE: Final = "SourceUnusable"
"""The file to send is missing from the store or is not what it was, or a template needs other variables."""
NOT_OURS: Final = "NotOurs"
"""The provider does not know a document that an event names, or not yet."""
ARCHIVE_FAILED: Final = "ArchiveFailed"
"""The document is completed, but could not be downloaded, checked or stored; details[0] is what we saw."""

POSTPONED: Final = frozenset({THROTTLED, KEY_REPLACED})
REFUSED: Final = frozenset({REJECTED, UNAUTHORIZED})
