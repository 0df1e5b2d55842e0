"""Is a delivery really the provider's? Pure: bytes, keys and a time in, a judgement out; nothing raises.

A dialect reads what a delivery claims (`Claim`); here the claim is checked, the same way for every dialect.
Signatures are compared as bytes and in constant time, each against every key, so that neither the answer
nor its time tells how near a forgery came.
"""

import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

Headers = Sequence[tuple[bytes, bytes]]
"""Header names in lower case and their values, as they came and as often as they came."""

TOLERANCE_SECONDS: Final = 300
"""How far a delivery's time may be from ours, either way; fixed by Standard Webhooks, and never off."""

_SECONDS = re.compile(rb"[0-9]{1,11}")


class Verification(StrEnum):
    """What became of the check."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"
    """Without a signature and a time in the dialect's form."""
    STALE = "stale"
    """Signed too long ago, or in the future."""
    MISMATCH = "mismatch"
    """No key made this signature over these bytes."""


class Key(Protocol):
    """One secret that deliveries may be signed with."""

    @property
    def version(self) -> str:
        """The scheme of the signatures that it can check."""

    def matches(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this key made the signature, without telling by the time it takes. Never raises."""


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A shared secret for HMAC-SHA256.

    Raises:
        ValueError: The secret is empty; an empty key verifies what anybody signs.
    """

    secret: bytes = field(repr=False)
    version: str = "v1"

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("a webhook secret must not be empty")

    def matches(self, message: bytes, signature: bytes) -> bool:
        """Compare with the signature that this secret makes."""
        return hmac.compare_digest(hmac.digest(self.secret, message, "sha256"), signature)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it was delivered: the scheme's version and the raw bytes."""

    version: str
    value: bytes


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """What a delivery says of itself.

    Args:
        timestamp: When it was signed, in seconds since 1970.
        message: The bytes that the signature covers.
        signatures: One or more; any may match.
    """

    timestamp: int
    message: bytes
    signatures: tuple[Signature, ...]


def verify_signatures(
    signed_message: SignedMessage | None, keys: Iterable[Key], *, now: float
) -> Verification:
    """Check a claim against every key.

    Args:
        signed_message: What the dialect could read; None if there was nothing to read.
        keys: The secrets that are valid now.
        now: Our clock, in seconds since 1970.
    """
    if signed_message is None:
        return Verification.UNSIGNED
    if abs(int(now) - signed_message.timestamp) > TOLERANCE_SECONDS:
        return Verification.STALE
    matches = [
        key.matches(signed_message.message, signature.value)
        for key in keys
        for signature in signed_message.signatures
        if signature.version == key.version
    ]
    return Verification.VERIFIED if any(matches) else Verification.MISMATCH


def only(headers: Headers, name: bytes) -> bytes | None:
    """Return a header's value if it was sent exactly once: of two, one check would read the other."""
    values = [value for header, value in headers if header == name]
    return values[0] if len(values) == 1 else None


def read_seconds(value: bytes | None) -> int | None:
    """Read a time in seconds since 1970: ASCII digits and nothing else."""
    return int(value) if value is not None and _SECONDS.fullmatch(value) else None
