"""The names of what a step can fail with: `ApplicationError.type`, as `activities/errors.py` raises it.

Always plain in the history, so they say nothing about a person. A send that ends in anything but
`DID_NOT_SEND` or `REFUSED` has an unknown outcome: it may have gone out.
"""

from typing import Final

BAD_INPUT: Final = "BadInput"
"""The agreement could not end well, so it was not begun."""
NOT_SENT: Final = "NotSent"
"""Provably never reached the provider."""
THROTTLED: Final = "Throttled"
"""The provider refused to look at it: too many requests."""
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
"""A document does not carry our marker and recipients."""
ARCHIVE_FAILED: Final = "ArchiveFailed"
"""The document is completed, but could not be downloaded, checked or stored; details[0] is what we saw."""

DID_NOT_SEND: Final = frozenset({NOT_SENT, THROTTLED})
REFUSED: Final = frozenset({REJECTED, UNAUTHORIZED, SOURCE_UNUSABLE})
