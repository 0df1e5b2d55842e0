"""The accounts of a chaos run: which calls break, and what their sandboxes record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from countersign.agreements.reference import find_marker
from countersign.providers.registry import account
from countersign.webhooks.adapter import ParsedDelivery, WorkflowDelivery

Call = tuple[str, str]
"""A method and a path, in which `*` and `?` match anything."""


@dataclass(frozen=True, kw_only=True)
class ChaosAccount:
    """An account under chaos.

    Args:
        name: The account, named like its provider.
        part: The part of the stack that is its sandbox.
        send: The call that reaches the signers.
        writes: All writes of a send. A fault of one of them may leave the send's outcome unknown.
        calls: The provider calls of an agreement, with their approximate number.
        unchecked: Paths of content that has no checksum: without TLS the client cannot notice a flipped byte.
        sent: The ledger's kind of entry for a document that reached the signers.
        webhook_faults: Faults of webhooks that only this provider has.
        is_conclusive: Whether a search proves that nothing was sent, so that no person is asked.
        attachments: Files that are archived beside those of all accounts.
    """

    name: str
    part: str
    send: Call
    writes: tuple[Call, ...]
    calls: Mapping[Call, float]
    unchecked: tuple[str, ...]
    sent: str
    webhook_faults: tuple[dict[str, Any], ...]
    is_conclusive: bool = False
    attachments: tuple[str, ...] = ()

    def parse(self, event_type: str, payload: Mapping[str, Any]) -> ParsedDelivery | None:
        """Parse the payload of a delivery log's entry; None for an event that concerns no agreement."""
        body = payload if "event_id" in payload else {"event": event_type, "payload": payload}
        read = account(self.name, self.name).plugin.webhook_adapter(self.name).read((), body)
        assert not isinstance(read, WorkflowDelivery)
        return read


_PREPARE: Final = ("POST", "/turbosign/single/prepare-for-signing")
_CREATE: Final = ("POST", "/api/v2/envelope/create")
_DISTRIBUTE: Final = ("POST", "/api/v2/envelope/distribute")
_ENVELOPE: Final = f"/api/v2/envelope/envelope_{'?' * 16}"

TURBODOCX: Final = ChaosAccount(
    name="turbodocx",
    part="sandbox",
    send=_PREPARE,
    writes=(_PREPARE,),
    calls={
        ("GET", "/template/*"): 0.02,
        ("POST", "/v1/deliverable"): 1.0,
        ("GET", "/v1/deliverable"): 0.1,
        _PREPARE: 1.0,
        ("GET", "/turbosign/documents/*/recipients"): 1.5,
        ("POST", "/turbosign/documents/*/void"): 0.05,
        ("POST", "/turbosign/documents/*/send-reminder"): 0.3,
        ("GET", "/turbosign/documents/*/download"): 0.8,
        ("GET", "/turbosign/documents/*/audit-trail"): 0.8,
        ("GET", "/_sandbox/storage/*"): 0.8,
        ("GET", "/api/webhooks/signature/deliveries"): 0.1,
    },
    unchecked=("/_sandbox/storage/*", "/template/*"),
    sent="document_created",
    webhook_faults=({"do": "tamper"}, {"do": "before_reply", "event": "sent"}),
)

DOCUMENSO: Final = ChaosAccount(
    name="documenso",
    part="documenso",
    send=_DISTRIBUTE,
    writes=(_CREATE, _DISTRIBUTE),
    calls={
        ("GET", "/api/v2/envelope"): 1.1,
        _CREATE: 1.0,
        _DISTRIBUTE: 1.0,
        ("GET", _ENVELOPE): 4.0,
        ("POST", "/api/v2/envelope/cancel"): 0.05,
        ("POST", "/api/v2/envelope/delete"): 0.05,
        ("POST", "/api/v2/envelope/redistribute"): 0.3,
        ("GET", "/api/v2/envelope/item/*/download"): 0.8,
        ("GET", f"{_ENVELOPE}/certificate/download"): 0.8,
        ("GET", f"{_ENVELOPE}/audit-log"): 0.8,
    },
    unchecked=("/api/v2/envelope/item/*/download", f"{_ENVELOPE}/certificate/download"),
    sent="document_sent",
    webhook_faults=({"do": "before_reply", "event": "DOCUMENT_SENT"},),
    is_conclusive=True,
    attachments=("certificate.pdf",),
)

CHAOS_ACCOUNTS: Final = {entry.name: entry for entry in (TURBODOCX, DOCUMENSO)}


def reference_of(document: Mapping[str, Any]) -> str:
    """Return the reference that marks a document, in its external id or its title; "" if there is none."""
    marker = find_marker(document.get("external_id") or document["name"])
    return marker.reference if marker else ""
