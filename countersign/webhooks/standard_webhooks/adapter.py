"""The adapter for providers that conform to Standard Webhooks. README.md documents the format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countersign.agreements.events import SignatureEvent
from countersign.agreements.reference import find_marker
from countersign.webhooks.adapter import (
    ParsedDelivery,
    UnreadableError,
    identifier,
    identifier_or_none,
    plain,
    unknown_kind,
)
from countersign.webhooks.standard_webhooks.mappings import PayloadMapping, look_up
from countersign.webhooks.standard_webhooks.signatures import message_id_of, read_key, read_signed_message
from countersign.webhooks.verification import Headers, Key, SignedMessage


@dataclass(frozen=True, slots=True)
class StandardWebhooksAdapter:
    """One configured provider.

    Args:
        name: The provider's name, in the path `/webhooks/<name>`.
        mapping: The fields of its payloads.
    """

    name: str
    mapping: PayloadMapping

    def key(self, secret: str) -> Key:
        """Decode `whsec_...` or `whpk_...`."""
        return read_key(secret)

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Extract the id, the time and the signatures from the headers."""
        return read_signed_message(headers, body)

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery | None:
        """Translate a payload. The event id is `webhook-id`, which is signed and the same for all retries."""
        name = look_up(payload, self.mapping.type)
        if not isinstance(name, str):
            return None
        try:
            return self._parsed(name, headers, payload)
        except UnreadableError:
            if name in self.mapping.kinds:
                raise
            return None  # the fields of an unknown kind are unknown

    def _parsed(self, name: str, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery:
        mapping = self.mapping
        event = SignatureEvent(
            event_id=identifier(message_id_of(headers).decode("ascii", errors="replace")),
            kind=mapping.kinds.get(name) or unknown_kind(self.name, name),
            provider=self.name,
            document_id=identifier(_as_text(look_up(payload, mapping.document_id))),
            recipient_id=identifier_or_none(_as_text(look_up(payload, mapping.recipient_id))),
            occurred_at=plain(look_up(payload, mapping.occurred_at), 40),
            document_hash=plain(look_up(payload, mapping.document_hash), 128),
        )
        title = look_up(payload, mapping.title)
        return ParsedDelivery(event, find_marker(title) if isinstance(title, str) else None)


def _as_text(value: object) -> object:
    """Write a whole number as text: some providers' ids are numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
