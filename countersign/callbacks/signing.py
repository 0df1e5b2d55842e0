"""The signature of a callback: Standard Webhooks 1.0, `v1`."""

import base64
import hmac
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SHORTEST: Final = 24
LONGEST: Final = 64
"""Bytes of a secret, as Standard Webhooks has them."""


def read_secrets(text: str) -> tuple[bytes, ...]:
    """Decode one or more secrets `whsec_<base64>`, separated by commas.

    Raises:
        ValueError: The text has another form; the message does not repeat it.
    """
    return tuple(map(_read_secret, text.split(",")))


def _read_secret(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith(PREFIX) or not SHORTEST <= len(secret) <= LONGEST:
        raise ValueError(f"the secret must be {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64")
    return secret


def sign(secrets: Sequence[bytes], *, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a signed callback.

    Args:
        secrets: What to sign with; a receiver accepts any of the signatures.
        event_id: The event's id: the same whenever it is repeated.
        timestamp: When it is sent, in seconds since 1970.
        body: The bytes of the body.
    """
    message = b".".join((event_id.encode(), str(timestamp).encode(), body))
    signatures = (base64.b64encode(hmac.digest(secret, message, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
