"""Check the signatures of deliveries, for all providers. Pure; nothing raises.

An adapter extracts the `SignedMessage` of a delivery. Every signature is compared with every key, as bytes
and in constant time, so that neither the response nor its time reveals anything about a key.
"""

import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

Headers = Sequence[tuple[bytes, bytes]]
"""Header names in lower case and their values, in the received order, repeated headers included."""

TOLERANCE_SECONDS: Final = 300
"""The largest difference between a delivery's time and our clock, fixed by Standard Webhooks."""

_SECONDS = re.compile(rb"[0-9]{1,11}")


class Verification(StrEnum):
    """The result of a signature check."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"
    """The delivery has no signature and time in the provider's format."""
    STALE = "stale"
    """Signed too long ago or in the future."""
    MISMATCH = "mismatch"
    """No key made a signature over these bytes."""


class Key(Protocol):
    """A secret that deliveries may be signed with."""

    @property
    def version(self) -> str:
        """The version of the signatures that the key can check."""

    def matches(self, message: bytes, signature: bytes) -> bool:
        """Return whether this key made the signature, in constant time. Never raises."""


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A shared secret for HMAC-SHA256.

    Raises:
        ValueError: The secret is empty. Any caller can sign with an empty key.
    """

    secret: bytes = field(repr=False)
    version: str = "v1"

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("a webhook secret must not be empty")

    def matches(self, message: bytes, signature: bytes) -> bool:
        """Compare the signature with the one that this secret makes."""
        return hmac.compare_digest(hmac.digest(self.secret, message, "sha256"), signature)


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A secret that the provider sends with every delivery. TLS alone keeps it secret.

    Raises:
        ValueError: The secret is empty. Any caller can send an empty header.
    """

    secret: bytes = field(repr=False)
    version: str = "shared"

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("a webhook secret must not be empty")

    def matches(self, message: bytes, signature: bytes) -> bool:
        """Compare what was sent with the secret; the message does not matter."""
        del message
        return hmac.compare_digest(self.secret, signature)


@dataclass(frozen=True, slots=True)
class Signature:
    """A delivered signature: its version and its raw bytes."""

    version: str
    value: bytes


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """The signed part of a delivery, not verified yet.

    Args:
        timestamp: When it was signed, in seconds since 1970; None if the provider signs no time. Then anyone
            who has seen a delivery can repeat it, which is harmless: workflows ignore an event that they have
            seen, and an event only makes them check with the provider.
        message: The bytes that the signature covers.
        signatures: One or more; one that matches is enough.
    """

    timestamp: int | None
    message: bytes
    signatures: tuple[Signature, ...]


def verify_signatures(
    signed_message: SignedMessage | None, keys: Iterable[Key], *, now: float
) -> Verification:
    """Check a signed message with every key.

    Args:
        signed_message: The message; None if the delivery has no signature.
        keys: The keys that are valid now.
        now: The time in seconds since 1970.
    """
    if signed_message is None:
        return Verification.UNSIGNED
    if not is_fresh(signed_message.timestamp, now):
        return Verification.STALE
    matches = [
        key.matches(signed_message.message, signature.value)
        for key in keys
        for signature in signed_message.signatures
        if signature.version == key.version
    ]
    return Verification.VERIFIED if any(matches) else Verification.MISMATCH


def is_fresh(timestamp: int | None, now: float) -> bool:
    """Return whether a time is near enough to ours; a provider that signs no time has no stale deliveries."""
    return timestamp is None or abs(int(now) - timestamp) <= TOLERANCE_SECONDS


def single_header(headers: Headers, name: bytes) -> bytes | None:
    """Return a header's value if the header was sent exactly once; None otherwise."""
    values = [value for header, value in headers if header == name]
    return values[0] if len(values) == 1 else None


def read_seconds(value: bytes | None) -> int | None:
    """Parse a time in seconds since 1970, ASCII digits only; None for anything else."""
    return int(value) if value is not None and _SECONDS.fullmatch(value) else None
