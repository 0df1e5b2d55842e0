"""TurboDocx's webhooks: their signatures and their meaning. See README.md in this folder."""

import re
from collections.abc import Mapping
from typing import Any, Final

from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.reference import find_marker
from countersign.webhooks.adapter import (
    ParsedDelivery,
    UnreadableError,
    identifier,
    identifier_or_none,
    plain,
    unknown_kind,
)
from countersign.webhooks.verification import (
    Headers,
    HmacKey,
    Signature,
    SignedMessage,
    read_seconds,
    single_header,
)

SIGNATURE_HEADER: Final = b"x-turbodocx-signature"
TIMESTAMP_HEADER: Final = b"x-turbodocx-timestamp"

KINDS: Final = {
    "signature.document.sent": EventKind.SENT,
    "signature.document.viewed": EventKind.VIEWED,
    "signature.document.recipient_signed": EventKind.RECIPIENT_SIGNED,
    "signature.document.signed": EventKind.PARTIALLY_SIGNED,
    "signature.document.completed": EventKind.COMPLETED,
    "signature.document.finalization_failed": EventKind.FINALIZATION_FAILED,
    "signature.document.voided": EventKind.VOIDED,
}
"""The provider announces neither a decline nor an expiry."""

_SIGNATURE = re.compile(rb"sha256=([0-9a-fA-F]{64})")
_TIMES: Final = ("sent_at", "viewed_at", "signed_at", "completed_at", "failed_at", "voided_at")


class TurboDocxWebhookAdapter:
    """HMAC-SHA256 over `<timestamp>.<body>` in one header, the time in another.

    Args:
        name: The account's name.
    """

    def __init__(self, name: str = "turbodocx") -> None:
        self.name = name

    def key(self, secret: str) -> HmacKey:
        """Use the whole secret, `whsec_` included."""
        return HmacKey(secret.encode())

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Read `X-TurboDocx-Signature: sha256=<hex>` and `X-TurboDocx-Timestamp: <seconds>`."""
        signature = _SIGNATURE.fullmatch(single_header(headers, SIGNATURE_HEADER) or b"")
        timestamp = read_seconds(sent := single_header(headers, TIMESTAMP_HEADER))
        if signature is None or timestamp is None or sent is None:
            return None
        digest = bytes.fromhex(signature[1].decode())
        return SignedMessage(timestamp, sent + b"." + body, (Signature("v1", digest),))

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery | None:  # noqa: ARG002 (the interface has them)
        """Translate `{event, event_id, created_at, data}`; some of the provider's pages say `eventType`."""
        name = payload.get("event", payload.get("eventType"))
        if not isinstance(name, str):
            return None
        try:
            return _parsed(self.name, name, payload)
        except UnreadableError:
            if name in KINDS:
                raise
            return None  # the fields of an unknown kind are unknown


def _parsed(account: str, name: str, payload: Mapping[str, Any]) -> ParsedDelivery:
    data = payload.get("data")
    if not isinstance(data, dict):
        raise UnreadableError("data is not an object")
    event = SignatureEvent(
        event_id=identifier(payload.get("event_id")),
        kind=KINDS.get(name) or unknown_kind(account, name),
        provider=account,
        document_id=identifier(data.get("document_id")),
        recipient_id=identifier_or_none(data.get("recipient_id")),
        occurred_at=_time(payload, data),
        document_hash=plain(data.get("document_hash"), 128),
    )
    title = data.get("title")
    return ParsedDelivery(event, find_marker(title) if isinstance(title, str) else None)


def _time(payload: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    """When it happened; failing that, when the event was made."""
    reported = next((data[time_] for time_ in _TIMES if time_ in data), payload.get("created_at"))
    return plain(reported, 40)
