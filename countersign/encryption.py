"""Encrypts what Temporal keeps: AES-256-GCM over every payload, with the id of its key beside it.

The first key of `COUNTERSIGN_ENCRYPTION_KEYS` encrypts, each of them decrypts, so that histories outlive a
change of keys. What was written before encryption was switched on stays readable. There is no way back to
plain text: without its key a payload is an error, which Temporal shows and retries until the key is back.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec
from temporalio.exceptions import ApplicationError

ENCODING: Final = b"binary/encrypted"
"""The name that Temporal's own samples and UI know encrypted payloads by."""

_KEY_ID: Final = "encryption-key-id"
_NONCE_BYTES: Final = 12


class UndecryptableError(ApplicationError):
    """A payload's key is not ours, or the payload was tampered with. Retried: keys may come back."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="Undecryptable")


class EncryptionCodec(PayloadCodec):
    """Encrypts with the first key, decrypts with the one that a payload names.

    Args:
        keys: Keys of 32 bytes by id, at least one.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(self._ciphers))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt payloads whole, their own metadata included."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt payloads; those that are not encrypted pass as they are.

        Raises:
            UndecryptableError: A payload's key is unknown, or it is not what was once encrypted.
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
                "COUNTERSIGN_ENCRYPTION_KEYS does not have; add it behind the first"
            )
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, key_id))
        except (InvalidTag, ValueError):
            raise UndecryptableError("encrypted with another key of the same id, or tampered with") from None
