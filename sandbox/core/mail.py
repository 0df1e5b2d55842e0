"""The e-mails that the provider would have sent, kept for the inbox page."""

from typing import Any, Final
from uuid import uuid4

from sandbox.core.provider import Provider
from sandbox.core.sandbox import Sandbox
from sandbox.core.store import Row

_SUBJECTS: Final = {
    "signature_request": "{sender} asks you to sign: {title}",
    "reminder": "Reminder: {title} waits for your signature",
    "expiry_warning": "Expires soon: {title}",
    "cc_notice": "For your information: {title} was sent for signature",
    "completed_copy": "Signed by all: {title}",
    "voided_notice": "Withdrawn: {title}",
    "declined_notice": "Declined: {title}",
    "removed_notice": "You no longer need to sign: {title}",
}


def keep(
    sandbox: Sandbox,
    document_id: str,
    kind: str,
    address: str,
    *,
    sender: str,
    title: str,
    person: Row | None = None,
) -> None:
    """Keep an e-mail; one to a recipient has their signing link."""
    email_id = str(uuid4())
    sandbox.store.insert(
        "emails",
        {
            "id": email_id,
            "document_id": document_id,
            "recipient_id": None if person is None else str(person["id"]),
            "kind": kind,
            "address": address,
            "subject": _SUBJECTS[kind].format(sender=sender, title=title),
            "token": None if person is None else person["token"],
            "sent_at": sandbox.clock.stamp(),
        },
    )
    sandbox.ledger.record("email_sent", email_id, document_id=document_id, email=kind, to=address)


def listing(
    provider: Provider, base_url: str, address: str | None = None, document_id: str | None = None
) -> list[dict[str, Any]]:
    """Return e-mails as the control API shows them, newest first."""
    rows = provider.sandbox.store.rows(
        "SELECT emails.*, recipients.status AS recipient_status, documents.status AS document_status"
        " FROM emails LEFT JOIN documents ON documents.id = emails.document_id"
        " LEFT JOIN recipients ON recipients.id = emails.recipient_id"
        " WHERE (?1 IS NULL OR address = ?1) AND (?2 IS NULL OR emails.document_id = ?2)"
        " ORDER BY emails.seq DESC",
        address,
        document_id,
    )
    return [_shown(provider, row, base_url) for row in rows]


def _shown(provider: Provider, row: Row, base_url: str) -> dict[str, Any]:
    document, recipient = provider.states(row["document_status"], row["recipient_status"])
    link = None if row["token"] is None else f"{base_url}_sandbox/sign/{row['token']}"
    signed_pdf = f"{base_url}_sandbox/documents/{row['document_id']}/signed.pdf"
    keys = ("id", "document_id", "recipient_id", "kind", "address", "subject", "sent_at")
    return {key: row[key] for key in keys} | {
        "document_status": document,
        "recipient_status": recipient,
        "link": link,
        "signed_pdf": signed_pdf if document == "completed" else None,
    }
