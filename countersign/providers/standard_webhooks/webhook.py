"""A dialect for any provider that conforms to Standard Webhooks. See README.md beside this file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countersign.agreements.events import SignatureEvent
from countersign.providers.standard_webhooks.signatures import ID_HEADER, read_key, read_signed_message
from countersign.providers.standard_webhooks.wording import Wording, look_up
from countersign.webhooks.adapter import (
    ParsedDelivery,
    UnreadableError,
    identifier,
    identifier_or_none,
    plain,
    unknown_kind,
)
from countersign.webhooks.verification import Headers, Key, SignedMessage, single_header


@dataclass(frozen=True, slots=True)
class StandardWebhooksAdapter:
    """One configured provider.

    Args:
        name: Names its path, `/webhooks/<name>`.
        wording: Where its payloads say what.
    """

    name: str
    wording: Wording

    def key(self, secret: str) -> Key:
        """Read `whsec_...` or `whpk_...`."""
        return read_key(secret)

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Read the id, the time and the signatures."""
        return read_signed_message(headers, body)

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery | None:
        """Translate a payload; `webhook-id`, which is signed and stays the same over retries, is its id."""
        name = look_up(payload, self.wording.type)
        if not isinstance(name, str):
            return None
        try:
            return self._parsed(name, headers, payload)
        except UnreadableError:
            if name in self.wording.kinds:
                raise
            return None  # an event of a kind that is new to us may hold anything

    def _parsed(self, name: str, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery:
        words = self.wording
        event = SignatureEvent(
            event_id=identifier((single_header(headers, ID_HEADER) or b"").decode("ascii", errors="replace")),
            kind=words.kinds.get(name) or unknown_kind(self.name, name),
            provider=self.name,
            document_id=identifier(look_up(payload, words.document_id)),
            recipient_id=identifier_or_none(look_up(payload, words.recipient_id)),
            occurred_at=plain(look_up(payload, words.occurred_at), 40),
            document_hash=plain(look_up(payload, words.document_hash), 128),
        )
        title = look_up(payload, words.title)
        return ParsedDelivery(event, title if isinstance(title, str) else None)
