"""The payload codec: AES-256-GCM for every payload, with the id of its key in the metadata.

The first key of `COUNTERSIGN_ENCRYPTION_KEYS` encrypts; all keys decrypt, so histories stay readable after a
change of keys. Unencrypted payloads stay readable. A payload with a missing key is an error that Temporal
retries until the key is configured again.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec
from temporalio.exceptions import ApplicationError

from countersign.payloads import ENCRYPTED

ENCODING: Final = ENCRYPTED.encode()
_KEY_ID: Final = "encryption-key-id"
_NONCE_BYTES: Final = 12


class UndecryptableError(ApplicationError):
    """A payload's key is unknown, or the payload was modified. Retried, because keys can be added."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="Undecryptable")


class EncryptionCodec(PayloadCodec):
    """Encrypts with the first key, and decrypts with the key that a payload names.

    Args:
        keys: Keys of 32 bytes by id, at least one key.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(self._ciphers))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt payloads with their metadata."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt payloads; return unencrypted payloads unchanged.

        Raises:
            UndecryptableError: A payload's key is unknown, or the payload was modified.
        """
        return [
            self._decrypt(payload) if payload.metadata.get("encoding") == ENCODING else payload
            for payload in payloads
        ]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce, key_id = os.urandom(_NONCE_BYTES), self._current.encode()
        sealed = self._ciphers[self._current].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": ENCODING, _KEY_ID: key_id}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        key_id = payload.metadata.get(_KEY_ID, b"")
        cipher = self._ciphers.get(key_id.decode(errors="replace"))
        if cipher is None:
            raise UndecryptableError(
                f"encrypted with the key {key_id.decode(errors='replace')[:32]!r}, which "
                "COUNTERSIGN_ENCRYPTION_KEYS does not have; add it after the first key"
            )
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, key_id))
        except (InvalidTag, ValueError):
            raise UndecryptableError("encrypted with another key of the same id, or modified") from None
