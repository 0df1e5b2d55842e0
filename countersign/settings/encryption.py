"""Encryption of what Temporal keeps, and who may see it in plain."""

import base64
import re
from typing import ClassVar, Final

from pydantic import Field, SecretStr, field_validator

from countersign.configuration import Settings
from countersign.observability.redaction import protect

TOKEN_LENGTH: Final = 32
"""Characters; a shorter token can be guessed by a caller without a rate limit."""


class EncryptionSettings(Settings):
    """Encryption of what Temporal keeps, `COUNTERSIGN_ENCRYPTION_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_ENCRYPTION_"

    keys: SecretStr | None = Field(
        default=None,
        description="`<id>:<32 bytes in base64>`, several separated by commas: the first encrypts, all "
        "decrypt. Make one with `openssl rand -base64 32`. Without any, Temporal keeps plain text.",
    )

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            protect(*(text for _, text in _named_keys(value)))
        return value

    def by_id(self) -> dict[str, bytes]:
        """Return the keys by id; the first one encrypts."""
        named = _named_keys(self.keys) if self.keys else []
        return {key_id: base64.b64decode(text) for key_id, text in named}


class CodecServerSettings(Settings):
    """The codec server, which shows encrypted payloads in Temporal's UI, `COUNTERSIGN_CODEC_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_CODEC_"

    token: SecretStr | None = Field(
        default=None,
        description="The bearer token of callers, at least 32 characters: `openssl rand -hex 32`. Without "
        "one the server listens on this machine only.",
    )

    @field_validator("token")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < TOKEN_LENGTH:
            raise ValueError(
                f"has fewer than {TOKEN_LENGTH} characters; make one with `openssl rand -hex 32`"
            )
        return value


def _named_keys(value: SecretStr) -> list[tuple[str, str]]:
    """Split `id:base64,id:base64`.

    Raises:
        ValueError: It has another form; the message does not repeat it.
    """
    named = [part.strip().partition(":") for part in value.get_secret_value().split(",")]
    for key_id, _, text in named:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", key_id) or not _is_key(text):
            raise ValueError("must be <id>:<32 bytes in base64>, several separated by commas")
    if len({key_id for key_id, _, _ in named}) < len(named):
        raise ValueError("has two keys of the same id")
    return [(key_id, text) for key_id, _, text in named]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32  # noqa: PLR2004 - AES-256
    except ValueError:
        return False
