"""Invitations, reminders and expiry: on request, and by the document's schedule."""

from datetime import datetime, timedelta
from typing import Any

from sandbox.core.clock import parse
from sandbox.core.store import Row
from sandbox.turbodocx import audit, documents, errors, mail
from sandbox.turbodocx.sandbox import Sandbox


def resend(sandbox: Sandbox, document: Row, recipient_ids: list[str]) -> int:
    """Send the invitation again to all given recipients, and return their number.

    Raises:
        ApiError: 400, all have signed or a recipient is not eligible; 409, they need single-use links.
    """
    people = documents.recipients(sandbox, document["id"])
    next_signers = documents.next_signers(people)
    if not next_signers:
        raise errors.ApiError(400, {"error": "All recipients have already completed signing"})
    if document["status"] != documents.OPEN or documents.is_past(document, sandbox.clock.now()):
        next_signers = []
    if ineligible := _ineligible(recipient_ids, next_signers):
        raise errors.ineligible_recipients(
            "Some recipients are not eligible for email resend at this time", ineligible
        )
    reachable = _reachable([signer for signer in next_signers if signer["id"] in recipient_ids])
    with sandbox.store.transaction():
        for person in reachable:
            mail.to_signer(sandbox, document, person, "signature_request")
            audit.record(sandbox, document["id"], "document_resent", person)
    return len(reachable)


def remind(sandbox: Sandbox, document: Row, recipient_ids: list[str] | None) -> list[dict[str, Any]]:
    """Remind the signers that are next, independent of the schedule, and return the result per recipient.

    Raises:
        ApiError: 400, a given recipient is not eligible; 409, the document is voided, expired or in review.
    """
    status = "expired" if documents.is_past(document, sandbox.clock.now()) else document["status"]
    if status not in {documents.OPEN, "completed"}:
        ended = {"voided": "has been voided", "expired": "has expired"}.get(status, f"is {status}")
        message = f"This document {ended}, so its signers can no longer be reminded."
        raise errors.ApiError(409, {"error": message, "code": "DocumentNotActionable", "status": status})
    people = documents.recipients(sandbox, document["id"])
    next_signers = documents.next_signers(people)
    if recipient_ids is not None:
        if ineligible := _ineligible(recipient_ids, next_signers):
            raise errors.ineligible_recipients(
                "Some recipients are not eligible for a reminder at this time", ineligible
            )
        people = [candidate for candidate in people if candidate["id"] in recipient_ids]
        _reachable(people)
    with sandbox.store.transaction():
        return [_remind(sandbox, document, person, next_signers) for person in people]


def _remind(sandbox: Sandbox, document: Row, person: Row, next_signers: list[Row]) -> dict[str, Any]:
    if person["status"] == "completed":
        return {"recipientId": person["id"], "status": "skipped_completed"}
    if person not in next_signers:
        return {"recipientId": person["id"], "status": "skipped_wrong_order"}
    if mail.needs_single_use_link(person):
        return {"recipientId": person["id"], "status": "skipped_requires_single_use_url"}
    mail.to_signer(sandbox, document, person, "reminder")
    audit.record(sandbox, document["id"], "reminder_sent", person, manual=True)
    sandbox.ledger.record("reminder_sent", document["id"], recipient_id=person["id"])
    return {
        "recipientId": person["id"],
        "status": "sent",
        "reminderCount": person["reminder_count"],
        "phase": "reminder",
    }


def _reachable(people: list[Row]) -> list[Row]:
    reachable = [person for person in people if not mail.needs_single_use_link(person)]
    if people and not reachable:
        raise errors.identity(
            409, "Recipients sign only through a single-use URL", "RecipientRequiresSingleUseUrl"
        )
    return reachable


def _ineligible(recipient_ids: list[str], next_signers: list[Row]) -> list[str]:
    eligible = {person["id"] for person in next_signers}
    return [id_ for id_ in recipient_ids if id_ not in eligible]


def sweep(sandbox: Sandbox) -> None:
    """Do what is due: reminders, warnings and expiry."""
    now = sandbox.clock.now()
    scheduled = "expires_at IS NOT NULL OR json_extract(schedule, '$.reminders')"
    query = f"SELECT * FROM documents WHERE status = ? AND ({scheduled})"  # noqa: S608 - constant text
    for document in sandbox.store.rows(query, documents.OPEN):
        with sandbox.store.transaction():
            _sweep_document(sandbox, document, now)


def _sweep_document(sandbox: Sandbox, document: Row, now: datetime) -> None:
    if documents.is_past(document, now):
        if now >= parse(document["expires_at"]) + timedelta(seconds=sandbox.behavior.expiry_lag):
            sandbox.store.update("documents", document["id"], status="expired")
            audit.record(sandbox, document["id"], "document_expired")
            sandbox.ledger.record("document_expired", document["id"])
        return
    if not document["send_email"]:
        return
    for person in documents.next_signers(documents.recipients(sandbox, document["id"])):
        if not mail.needs_single_use_link(person):
            _warn_or_remind(sandbox, document, person, now)


def _warn_or_remind(sandbox: Sandbox, document: Row, person: Row, now: datetime) -> None:
    if _warning_due(document, person, now):
        mail.to_signer(sandbox, document, person, "expiry_warning")
        sandbox.store.update(
            "recipients",
            person["id"],
            warning_count=person["warning_count"] + 1,
            last_warning_at=sandbox.clock.stamp(),
        )
    elif _reminder_due(document, person, now):
        mail.to_signer(sandbox, document, person, "reminder")
        sandbox.store.update("recipients", person["id"], reminder_count=person["reminder_count"] + 1)
        audit.record(sandbox, document["id"], "reminder_sent", person, manual=False)
        sandbox.ledger.record("reminder_sent", document["id"], recipient_id=person["id"])


def _warning_due(document: Row, person: Row, now: datetime) -> bool:
    schedule = document["schedule"]
    if not schedule["warning"] or document["expires_at"] is None:
        return False
    if now < parse(document["expires_at"]) - timedelta(hours=schedule["warning"]):
        return False
    last = person["last_warning_at"]
    return last is None or now >= parse(last) + timedelta(hours=schedule["warning_interval"])


def _reminder_due(document: Row, person: Row, now: datetime) -> bool:
    schedule, last = document["schedule"], person["last_reminded_at"]
    if not schedule["reminders"] or last is None:
        return False
    if 0 <= schedule["max"] <= person["reminder_count"]:
        return False
    wait = schedule["interval"] if person["reminder_count"] else schedule["delay"]
    return bool(now >= parse(last) + timedelta(hours=wait))
