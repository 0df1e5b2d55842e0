"""How a configured sender proves who it is: the table `verify` of a route."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from countersign.webhooks.configured.signatures import message_id_of, read_key, read_signed_message
from countersign.webhooks.verification import (
    Headers,
    HmacKey,
    Key,
    SharedSecret,
    Signature,
    SignedMessage,
    read_seconds,
    single_header,
)

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$"), AfterValidator(lambda name: name.lower())]
SIGNATURE_LIMIT: Final = 16
"""Signatures of one delivery that are compared."""
_BODY: Final = "{body}"
_TIMESTAMP: Final = "{timestamp}"
_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{43}=")


class _Scheme(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def event_id(self, headers: Headers, payload: Mapping[str, Any]) -> str:
        """Return the id of an event whose route names no path to one: a hash of the verified payload.

        A header is no id: these schemes do not sign it, so a copy of a delivery could bear another one.
        """
        del headers
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class StandardWebhooks(_Scheme):
    """Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`."""

    scheme: Literal["standard-webhooks"] = "standard-webhooks"

    def key(self, secret: str) -> Key:
        """Decode `whsec_...` or `whpk_...`."""
        return read_key(secret)

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Extract the id, the time and the signatures from the headers."""
        return read_signed_message(headers, body)

    def event_id(self, headers: Headers, payload: Mapping[str, Any]) -> str:
        """Return `webhook-id`, which is signed and the same for all retries."""
        del payload
        return message_id_of(headers).decode("ascii", errors="replace")


class Hmac(_Scheme):
    """HMAC-SHA256 over the body, or over a time and the body.

    Args:
        header: The header with the signature.
        prefix: Text before the signature, such as `sha256=`.
        parameter: The name of the signature in a header such as `t=1699999999,v1=6f2a...`.
        encoding: How the signature is written.
        timestamp_header: The header with the time of the signature, in seconds since 1970.
        timestamp_parameter: The name of the time in the signature's own header.
        signed: What is signed; by default `{timestamp}.{body}`, or `{body}` without a time.
    """

    scheme: Literal["hmac"]
    header: HeaderName
    prefix: str = ""
    parameter: str | None = Field(default=None, pattern="^[A-Za-z0-9_]{1,32}$")
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: HeaderName | None = None
    timestamp_parameter: str | None = Field(default=None, pattern="^[A-Za-z0-9_]{1,32}$")
    signed: str = ""

    @model_validator(mode="after")
    def _signs_the_body(self) -> Self:
        if self.timestamp_header and self.timestamp_parameter:
            raise ValueError("name timestamp_header or timestamp_parameter, not both")
        if self.timestamp_parameter and not self.parameter:
            raise ValueError("timestamp_parameter needs parameter, the name of the signature")
        template = self._template()
        if template.count(_BODY) != 1 or template.count(_TIMESTAMP) != self._has_time():
            raise ValueError("signed must contain {body} once, and {timestamp} once if there is a time")
        return self

    def key(self, secret: str) -> Key:
        """Use the secret's text as the key."""
        return HmacKey(secret.encode())

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Extract the signatures, and the time if there is one."""
        value = single_header(headers, self.header.encode())
        if value is None:
            return None
        sent = None
        if self.timestamp_header is not None:
            sent = single_header(headers, self.timestamp_header.encode())
        elif self.timestamp_parameter is not None:
            times = list(_parameters(value, self.timestamp_parameter))
            sent = times[0] if len(times) == 1 else None
        timestamp = read_seconds(sent)
        parts = [value] if self.parameter is None else list(_parameters(value, self.parameter))
        signatures = tuple(filter(None, map(self._signature, parts[:SIGNATURE_LIMIT])))
        if not signatures or (self._has_time() and timestamp is None):
            return None
        before, after = self._template().split(_BODY)
        stamp = (sent or b"").decode("ascii", errors="replace")
        message = b"".join(
            (before.replace(_TIMESTAMP, stamp).encode(), body, after.replace(_TIMESTAMP, stamp).encode())
        )
        return SignedMessage(timestamp, message, signatures)

    def _has_time(self) -> bool:
        return bool(self.timestamp_header or self.timestamp_parameter)

    def _template(self) -> str:
        return self.signed or (f"{_TIMESTAMP}.{_BODY}" if self._has_time() else _BODY)

    def _signature(self, part: bytes) -> Signature | None:
        text = part.decode("ascii", errors="replace")
        if not text.startswith(self.prefix):
            return None
        text = text.removeprefix(self.prefix)
        if self.encoding == "hex":
            return Signature("v1", bytes.fromhex(text)) if _HEX.fullmatch(text) else None
        return Signature("v1", base64.b64decode(text)) if _BASE64.fullmatch(text) else None


class SecretHeader(_Scheme):
    """A secret that the sender repeats in a header of every delivery. TLS alone protects it and the body.

    Args:
        header: The header with the secret.
        prefix: Text before the secret, such as `Bearer `.
    """

    scheme: Literal["secret"]
    header: HeaderName
    prefix: str = ""

    def key(self, secret: str) -> Key:
        """Use the secret's text."""
        return SharedSecret(secret.encode())

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Extract the secret that was sent."""
        value = single_header(headers, self.header.encode())
        if value is None or not value.startswith(self.prefix.encode()):
            return None
        return SignedMessage(None, body, (Signature("shared", value.removeprefix(self.prefix.encode())),))


Scheme = Annotated[StandardWebhooks | Hmac | SecretHeader, Field(discriminator="scheme")]


def _parameters(value: bytes, name: str) -> Iterator[bytes]:
    """Return the values of a parameter in `name=value,name=value`."""
    for part in value.split(b","):
        key, equals, text = part.strip().partition(b"=")
        if equals and key == name.encode():
            yield text
