"""The provider's webhooks: `{"id", "kind", "document", "marker"}` with a shared secret."""

from collections.abc import Mapping
from typing import Any

from countersign.agreements.events import SignatureEvent
from countersign.agreements.reference import find_marker
from countersign.webhooks.adapter import ParsedDelivery, identifier
from countersign.webhooks.verification import Headers, SharedSecret, Signature, SignedMessage, single_header


class MemoryWebhookAdapter:
    """The secret stands in `X-Memory-Secret`.

    Args:
        name: The account's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def key(self, secret: str) -> SharedSecret:
        """Use the whole secret."""
        return SharedSecret(secret.encode())

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Read the header; a delivery has neither a signature nor a time."""
        del body
        secret = single_header(headers, b"x-memory-secret")
        return SignedMessage(None, b"", (Signature("shared", secret),)) if secret else None

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery:
        """Translate an event."""
        del headers
        event = SignatureEvent(
            event_id=identifier(payload.get("id")),
            kind=str(payload.get("kind")),
            provider=self.name,
            document_id=identifier(payload.get("document")),
        )
        return ParsedDelivery(event, find_marker(str(payload.get("marker"))))
