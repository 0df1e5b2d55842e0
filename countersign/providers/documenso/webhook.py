"""Documenso's webhooks: a shared secret, and what they mean. See README.md in this folder."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from countersign.agreements.events import EventKind, SignatureEvent
from countersign.agreements.reference import find_marker
from countersign.webhooks.adapter import ParsedDelivery, UnreadableError, identifier, plain
from countersign.webhooks.verification import Headers, SharedSecret, Signature, SignedMessage, single_header

SECRET_HEADER: Final = b"x-documenso-secret"

KINDS: Final = {
    "DOCUMENT_SENT": EventKind.SENT,
    "DOCUMENT_OPENED": EventKind.VIEWED,
    "DOCUMENT_RECIPIENT_COMPLETED": EventKind.RECIPIENT_SIGNED,
    "DOCUMENT_SIGNED": EventKind.PARTIALLY_SIGNED,
    "DOCUMENT_COMPLETED": EventKind.COMPLETED,
    "DOCUMENT_REJECTED": EventKind.DECLINED,
    "DOCUMENT_CANCELLED": EventKind.VOIDED,
    "RECIPIENT_EXPIRED": EventKind.EXPIRED,
}
"""The events that concern an agreement; drafts, reminders and templates do not."""
_SIGNED: Final = frozenset({EventKind.RECIPIENT_SIGNED, EventKind.PARTIALLY_SIGNED})


class DocumensoWebhookAdapter:
    """The secret itself in a header; neither a signature, nor a time, nor an id.

    Args:
        name: The account's name.
    """

    def __init__(self, name: str = "documenso") -> None:
        self.name = name

    def key(self, secret: str) -> SharedSecret:
        """Use the whole secret."""
        return SharedSecret(secret.encode())

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:  # noqa: ARG002  # not signed
        """Read `X-Documenso-Secret`; without a secret Documenso sends the header empty."""
        secret = single_header(headers, SECRET_HEADER)
        return SignedMessage(None, b"", (Signature("shared", secret),)) if secret else None

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery | None:  # noqa: ARG002  # the interface has them
        """Translate `{event, createdAt, payload}`; drop the recipients' tokens, with which they sign."""
        name, data = payload.get("event"), payload.get("payload")
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            return None
        if not isinstance(data, dict):
            raise UnreadableError("payload is not an object")
        if kind is EventKind.VOIDED and data.get("status") == "DRAFT":
            return None  # a deleted draft, with its old status: it reached no signer
        recipient_id, at = _latest_signature(data) if kind in _SIGNED else (_viewer(data, kind), None)
        event = SignatureEvent(
            event_id=_event_id(str(name), data),
            kind=kind,
            provider=self.name,
            document_id=identifier(data.get("envelopeId")),
            recipient_id=recipient_id,
            occurred_at=plain(at or data.get("completedAt") or data.get("updatedAt"), 40),
        )
        external_id = data.get("externalId")
        return ParsedDelivery(event, find_marker(external_id) if isinstance(external_id, str) else None)


def _event_id(name: str, data: Mapping[str, Any]) -> str:
    """Hash the event and its payload, which stays the same for all retries; the body around it does not."""
    canonical = json.dumps([name, data], sort_keys=True, separators=(",", ":"))
    return f"sha256-{hashlib.sha256(canonical.encode()).hexdigest()}"


def _viewer(data: Mapping[str, Any], kind: EventKind) -> str | None:
    """Return who opened the document, if only one of those who have not signed has."""
    opened = [
        str(entry.get("id"))
        for entry in _people(data)
        if entry.get("readStatus") == "OPENED" and entry.get("signingStatus") == "NOT_SIGNED"
    ]
    return opened[0] if kind is EventKind.VIEWED and len(opened) == 1 else None


def _people(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = data.get("recipients")
    people = listed if isinstance(listed, list) else []
    return [entry for entry in people if isinstance(entry, dict) and entry.get("role") != "CC"]


def _latest_signature(data: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return who signed last and when: the event names no recipient, and the payload lists them all."""
    signed = [
        (entry["signedAt"], str(entry.get("id")))
        for entry in _people(data)
        if isinstance(entry.get("signedAt"), str)
    ]
    at, recipient_id = max(signed, default=(None, None))
    return recipient_id, at
