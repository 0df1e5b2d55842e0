"""The adapters of the routes in the file of `COUNTERSIGN_WEBHOOKS_ROUTES`. README.md documents the format."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from countersign.agreements.events import SignatureEvent
from countersign.agreements.reference import find_marker
from countersign.webhooks.adapter import (
    KIND_LIMIT,
    ParsedDelivery,
    UnreadableError,
    WorkflowDelivery,
    identifier,
    identifier_or_none,
    plain,
    unknown_kind,
)
from countersign.webhooks.configured.route_file import PLACEHOLDER, AgreementRoute, WorkflowRoute, look_up
from countersign.webhooks.inbox import WebhookEvent
from countersign.webhooks.verification import Headers, Key, SignedMessage

_ID_PART: Final = re.compile(r"[A-Za-z0-9._:@/+=-]{1,200}")
"""What a sender may add to a workflow id: nothing that a terminal, a shell or a list filter interprets."""


@dataclass(frozen=True, slots=True)
class _ConfiguredAdapter:
    """What both kinds of routes have in common."""

    name: str
    route: AgreementRoute | WorkflowRoute

    def key(self, secret: str) -> Key:
        """Turn the configured secret into a key of the route's scheme."""
        return self.route.verify.key(secret)

    def signed_message(self, headers: Headers, body: bytes) -> SignedMessage | None:
        """Extract what the scheme signs."""
        return self.route.verify.signed_message(headers, body)

    def _event_id(self, headers: Headers, payload: Mapping[str, Any]) -> str:
        if self.route.event_id is None:
            return identifier(self.route.verify.event_id(headers, payload))
        return identifier(_as_text(look_up(payload, self.route.event_id)))


@dataclass(frozen=True, slots=True)
class AgreementAdapter(_ConfiguredAdapter):
    """One configured provider of signatures.

    Args:
        name: The provider's name, in the path `/webhooks/<name>`.
        route: The fields of its payloads.
    """

    route: AgreementRoute

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery | None:
        """Translate a payload into an event of a document."""
        name = look_up(payload, self.route.type)
        if not isinstance(name, str):
            return None
        try:
            return self._parsed(name, headers, payload)
        except UnreadableError:
            if name in self.route.kinds:
                raise
            return None  # the fields of an unknown kind are unknown

    def _parsed(self, name: str, headers: Headers, payload: Mapping[str, Any]) -> ParsedDelivery:
        route = self.route
        event = SignatureEvent(
            event_id=self._event_id(headers, payload),
            kind=route.kinds.get(name) or unknown_kind(self.name, name),
            provider=self.name,
            document_id=identifier(_as_text(look_up(payload, route.document_id))),
            recipient_id=identifier_or_none(_as_text(look_up(payload, route.recipient_id))),
            occurred_at=plain(look_up(payload, route.occurred_at), 40),
            document_hash=plain(look_up(payload, route.document_hash), 128),
        )
        title = look_up(payload, route.title)
        return ParsedDelivery(event, find_marker(title) if isinstance(title, str) else None)


@dataclass(frozen=True, slots=True)
class WorkflowAdapter(_ConfiguredAdapter):
    """One configured sender whose events signal workflows.

    Args:
        name: The sender's name, in the path `/webhooks/<name>`.
        route: Which workflow gets which fields.
    """

    route: WorkflowRoute

    def read(self, headers: Headers, payload: Mapping[str, Any]) -> WorkflowDelivery | None:
        """Translate a payload into a signal; None if the route leaves its type out."""
        route = self.route
        kind = plain(look_up(payload, route.type), KIND_LIMIT) or ""
        if route.only is not None and kind not in route.only:
            return None
        event = WebhookEvent(
            id=self._event_id(headers, payload),
            kind=kind,
            data={name: look_up(payload, path) for name, path in route.data.items()},
        )
        return WorkflowDelivery(event, self._workflow_id(payload), route.signal, route.start)

    def _workflow_id(self, payload: Mapping[str, Any]) -> str | None:
        """Fill the template; None if the payload lacks a part of it, or has one that no id may contain."""
        found = {path: _as_text(look_up(payload, path)) for path in PLACEHOLDER.findall(self.route.workflow)}
        parts = {
            path: part for path, part in found.items() if isinstance(part, str) and _ID_PART.fullmatch(part)
        }
        if parts.keys() != found.keys():
            return None
        return PLACEHOLDER.sub(lambda placeholder: parts[placeholder[1]], self.route.workflow)


def _as_text(value: object) -> object:
    """Write a whole number as text: some senders' ids are numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
