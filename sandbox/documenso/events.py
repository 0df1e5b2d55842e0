"""Webhook events: the payload is frozen when the event happens; each attempt wraps it anew."""

import json
from datetime import timedelta
from typing import Any, Final

from sandbox.core import deliveries
from sandbox.core.clock import iso
from sandbox.core.fault_rules import WebhookFault
from sandbox.core.store import Row
from sandbox.documenso import envelopes
from sandbox.documenso.sandbox import Sandbox

EVENTS: Final = (
    "DOCUMENT_CREATED",
    "DOCUMENT_SENT",
    "DOCUMENT_OPENED",
    "DOCUMENT_SIGNED",
    "DOCUMENT_RECIPIENT_COMPLETED",
    "DOCUMENT_COMPLETED",
    "DOCUMENT_REJECTED",
    "DOCUMENT_CANCELLED",
    "DOCUMENT_REMINDER_SENT",
    "RECIPIENT_EXPIRED",
    "TEMPLATE_CREATED",
    "TEMPLATE_USED",
    "TEMPLATE_DELETED",
)


def emit(sandbox: Sandbox, event: str, envelope_id: str) -> None:
    """Emit an event with the envelope's present state."""
    document = sandbox.store.find("documents", envelope_id)
    if document is not None:
        payload = deliveries.compact(_payload(sandbox, document))
        deliveries.emit(sandbox, event, payload, lane=envelope_id)


def attempt(
    sandbox: Sandbox, row: Row, webhook: Row, fault: WebhookFault | None
) -> tuple[dict[str, str], bytes]:
    """Build headers and body of an attempt: the secret itself in a header, and a fresh `createdAt`."""
    done = None if fault is None else fault.do
    now, secret = sandbox.clock.now(), webhook["secret"]
    if fault is not None and done == "stale_timestamp":
        now += timedelta(seconds=fault.seconds)
    if done == "old_secret":
        secret = webhook["previous_secret"] or "old-secret"
    if done == "wrong_signature":
        secret = "wrong-secret"  # noqa: S105 - a fault
    body = {
        "event": row["event_type"],
        "payload": json.loads(row["payload"]),
        "createdAt": iso(now),
        "webhookEndpoint": row["url"],
    }
    headers = {"content-type": "application/json", "x-documenso-secret": secret}
    content = deliveries.compact(body).encode()
    return headers, content.replace(b'"', b'" ', 1) if done == "tamper" else content


def _payload(sandbox: Sandbox, row: Row) -> dict[str, Any]:
    people = [_recipient(row, person) for person in envelopes.recipients(sandbox, row["id"])]
    return {
        "id": row["seq"],
        "envelopeId": row["id"],
        "externalId": row["external_id"],
        "userId": row["user_id"],
        "authOptions": row["auth"],
        "formValues": row["form_values"] or None,
        "visibility": row["visibility"],
        "title": row["name"],
        "status": row["status"],
        "documentDataId": None,
        "createdAt": row["created_on"],
        "updatedAt": row["updated_on"],
        "completedAt": row["completed_on"],
        "deletedAt": row["deleted_on"],
        "teamId": row["team_id"],
        "templateId": row["template_id"],
        "source": row["source"],
        "documentMeta": row["meta"],
        "recipients": people,
        "Recipient": people,
    }


def _recipient(row: Row, person: Row) -> dict[str, Any]:
    """Build a recipient with their token, which is their signing credential."""
    is_template = row["type"] == "TEMPLATE"
    return {
        "id": person["id"],
        "documentId": None if is_template else row["seq"],
        "templateId": row["seq"] if is_template else None,
        "email": person["email"],
        "name": person["name"],
        "token": person["token"],
        "documentDeletedAt": None,
        "expiresAt": person["expires_at"],
        "expirationNotifiedAt": person["expiration_notified_at"],
        "signedAt": person["signed_on"],
        "authOptions": person["auth"],
        "signingOrder": person["signing_order"],
        "rejectionReason": person["rejection_reason"],
        "role": person["role"],
        "readStatus": person["read_status"],
        "signingStatus": person["status"],
        "sendStatus": person["send_status"],
    }
