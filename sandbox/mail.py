"""The e-mails that the provider would have sent, kept for the inbox page."""

from typing import Any, Final
from uuid import uuid4

from sandbox import audit
from sandbox.sandbox import Sandbox
from sandbox.store import Row

_SUBJECTS: Final = {
    "signature_request": "{sender} asks you to sign: {title}",
    "reminder": "Reminder: {title} waits for your signature",
    "expiry_warning": "Expires soon: {title}",
    "cc_notice": "For your information: {title} was sent for signature",
    "completed_copy": "Signed by all: {title}",
    "voided_notice": "Withdrawn: {title}",
}


def to_signer(sandbox: Sandbox, document: Row, person: Row, kind: str) -> None:
    """Keep an e-mail to a signer and count it; signers with single-use links get none.

    `lastRemindedAt` is the reminder clock: the first invitation, reminders and expiry warnings set it; a
    resent invitation does not (documentation of the official Python SDK, `get_recipients`).
    """
    if needs_single_use_link(person):
        return
    now = sandbox.clock.stamp()
    _keep(sandbox, document, kind, person["email"], person)
    counted: dict[str, Any] = {
        "total_sent": person["total_sent"] + 1,
        "last_sent_on": now,
        "first_sent_on": person["first_sent_on"] or now,
    }
    if kind != "signature_request" or person["first_sent_on"] is None:
        counted["last_reminded_at"] = now
    sandbox.store.update("recipients", person["id"], **counted)
    audit.record(sandbox, document["id"], "email_notification_sent", person, emailType=kind)


def to_copied(sandbox: Sandbox, document: Row, kind: str) -> None:
    """Keep an e-mail to the addresses in copy."""
    for address in document["cc_emails"]:
        _keep(sandbox, document, kind, address, None)
        audit.record(sandbox, document["id"], "cc_email_notification_sent", email=address, emailType=kind)


def to_all(sandbox: Sandbox, document: Row, people: list[Row], kind: str) -> None:
    """Keep an e-mail about the end to signers and sender; it does not count as sent for signing."""
    for person in people:
        _keep(sandbox, document, kind, person["email"], person)
    _keep(sandbox, document, kind, document["sender_email"], None)


def needs_single_use_link(person: Row) -> bool:
    """Return whether a recipient signs only through a single-use link."""
    return person["identity"].get("mode") in {"external_idv", "override"}


def _keep(sandbox: Sandbox, document: Row, kind: str, address: str, person: Row | None) -> None:
    email_id = str(uuid4())
    sandbox.store.insert(
        "emails",
        {
            "id": email_id,
            "document_id": document["id"],
            "recipient_id": None if person is None else person["id"],
            "kind": kind,
            "address": address,
            "subject": _SUBJECTS[kind].format(sender=document["sender_name"], title=document["name"]),
            "token": None if person is None else person["token"],
            "sent_at": sandbox.clock.stamp(),
        },
    )
    sandbox.ledger.record("email_sent", email_id, document_id=document["id"], email=kind, to=address)


def listing(sandbox: Sandbox, address: str | None = None, document_id: str | None = None) -> list[Row]:
    """Return e-mails, newest first."""
    return sandbox.store.rows(
        "SELECT emails.*, recipients.status AS recipient_status, documents.status AS document_status"
        " FROM emails JOIN documents ON documents.id = emails.document_id"
        " LEFT JOIN recipients ON recipients.id = emails.recipient_id"
        " WHERE (?1 IS NULL OR address = ?1) AND (?2 IS NULL OR emails.document_id = ?2)"
        " ORDER BY emails.seq DESC",
        address,
        document_id,
    )


def shown(row: Row, base_url: str) -> dict[str, Any]:
    """Build an e-mail as the control API shows it, with its signing link and the signed PDF."""
    link = None if row["token"] is None else f"{base_url}_sandbox/sign/{row['token']}"
    is_signed = row["document_status"] == "completed"
    signed_pdf = f"{base_url}_sandbox/documents/{row['document_id']}/signed.pdf" if is_signed else None
    keys = (
        *("id", "document_id", "document_status", "recipient_id", "recipient_status"),
        *("kind", "address", "subject", "sent_at"),
    )
    return {key: row[key] for key in keys} | {"link": link, "signed_pdf": signed_pdf}
