"""Signatures of Standard Webhooks 1.0: `v1` (HMAC-SHA256) and `v1a` (Ed25519), by the secret's prefix."""

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Final

from countersign.webhooks.verification import (
    Headers,
    HmacKey,
    Key,
    Signature,
    SignedMessage,
    read_seconds,
    single_header,
)

_FAMILIES: Final = (b"webhook-", b"svix-")
"""The beginnings of the headers' names: the standard's, and those of the service that it came from."""

_ID = re.compile(rb"[!-\-/-~]{1,200}")
"""Printable ASCII without the full stop, which separates the id from the time in the signed message."""
_SIGNATURE = re.compile(r"(v[0-9]{1,3}[a-z]?),([A-Za-z0-9+/=]{1,200})")
_SIGNATURE_LIMIT: Final = 16
_PUBLIC_KEY: Final = "whpk_"


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """A provider's public key."""

    public: Any = field(repr=False)
    version: str = "v1a"

    def matches(self, message: bytes, signature: bytes) -> bool:
        """Check the signature. The check of a public key need not take constant time."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (few deployments need it)

        try:
            self.public.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def read_key(secret: str) -> Key:
    """Decode `whsec_<base64>`, a shared secret, or `whpk_<base64>`, a public key.

    Raises:
        ValueError: The text has another format, or the secret is shorter than 16 bytes.
    """
    if secret.startswith(_PUBLIC_KEY):
        return _public_key(_decode(secret.removeprefix(_PUBLIC_KEY)))
    key = _decode(secret.removeprefix("whsec_"))
    if len(key) < 16:  # noqa: PLR2004 (the specification has 24 to 64; some providers issue fewer)
        raise ValueError("must be whsec_ or whpk_ and at least 16 bytes in base64")
    return HmacKey(key)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError("must be whsec_ or whpk_ and base64") from None


def _public_key(raw: bytes) -> Ed25519Key:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 (few deployments need it)

    try:
        return Ed25519Key(ed25519.Ed25519PublicKey.from_public_bytes(raw))
    except ValueError:
        raise ValueError("is not an Ed25519 public key") from None


def read_signed_message(headers: Headers, body: bytes) -> SignedMessage | None:
    """Read the three headers; None if one is missing. The check ignores signatures of unknown versions."""
    family = _family(headers)
    message_id = single_header(headers, family + b"id")
    timestamp = read_seconds(sent := single_header(headers, family + b"timestamp"))
    signatures = _read_signatures(single_header(headers, family + b"signature") or b"")
    if not message_id or not _ID.fullmatch(message_id) or timestamp is None or not sent or not signatures:
        return None
    return SignedMessage(timestamp, b".".join((message_id, sent, body)), signatures)


def message_id_of(headers: Headers) -> bytes:
    """Return the id of the message, which is signed; b"" if it is missing."""
    return single_header(headers, _family(headers) + b"id") or b""


def _family(headers: Headers) -> bytes:
    standard, other = _FAMILIES
    is_standard = any(name.startswith(standard) for name, _ in headers)
    return standard if is_standard else other


def _read_signatures(value: bytes) -> tuple[Signature, ...]:
    """Read `v1,<base64> v1a,<base64> ...`, at most 16 signatures; leave out what has another format."""
    parts = value.decode("ascii", errors="replace").split(" ", _SIGNATURE_LIMIT)[:_SIGNATURE_LIMIT]
    matches = (_SIGNATURE.fullmatch(part) for part in parts)
    return tuple(signature for match in matches if match and (signature := _signature(*match.groups())))


def _signature(version: str, text: str) -> Signature | None:
    try:
        return Signature(version, base64.b64decode(text, validate=True))
    except ValueError:
        return None
