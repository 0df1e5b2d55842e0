"""The e-mails to signers, copied people and the sender."""

from typing import Any

from sandbox.core import mail
from sandbox.core.store import Row
from sandbox.turbodocx import audit
from sandbox.turbodocx.sandbox import Sandbox


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
    mail.keep(
        sandbox,
        document["id"],
        kind,
        address,
        sender=document["sender_name"],
        title=document["name"],
        person=person,
    )
