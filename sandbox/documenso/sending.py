"""Send an envelope, remind its recipients, and end it."""

from datetime import timedelta

from sandbox.core import mail
from sandbox.core.clock import iso
from sandbox.core.store import Row
from sandbox.documenso import audit, creation, envelopes, errors, events, jobs
from sandbox.documenso.sandbox import OWNER, USERS, Sandbox
from sandbox.documenso.values import SIGNATURES, SendMeta

_PERIODS = {"day": 1, "week": 7, "month": 30, "year": 365}
_DEFAULT_PERIOD = timedelta(days=90)


def distribute(sandbox: Sandbox, document: Row, changes: SendMeta | None) -> list[Row]:
    """Send a draft, or a pending document again, and return its recipients.

    Invitations follow in jobs, to those who got none: a repeat before the job invites twice.

    Raises:
        ApiError: 400 with one of the documented codes; 500, it has no recipients or has ended.
    """
    with sandbox.store.transaction():
        document = document | {"meta": creation.merged(document["meta"], changes)}
        sandbox.store.update("documents", document["id"], meta=document["meta"])
        people = envelopes.recipients(sandbox, document["id"])
        _check(sandbox, document, people)
        if not envelopes.open_people(people):
            jobs.queue(sandbox, "seal", document["id"], sandbox.behavior.seal_delay)
            return people
        if document["status"] == "DRAFT":
            audit.record(sandbox, document, "DOCUMENT_SENT", {}, user_id=document["user_id"])
        sandbox.store.update("documents", document["id"], status="PENDING", updated_on=sandbox.clock.stamp())
        renew(sandbox, document, envelopes.open_people(people))
        for person in envelopes.next_people(document, people):
            if person["send_status"] != "SENT":
                invite(sandbox, document, person)
        sandbox.ledger.record("document_sent", document["id"], title=document["name"])
        events.emit(sandbox, "DOCUMENT_SENT", document["id"])
        return envelopes.recipients(sandbox, document["id"])


def redistribute(sandbox: Sandbox, document: Row, recipient_ids: list[int]) -> list[Row]:
    """Remind recipients that still have to act, renew their time to sign, and return all recipients.

    Raises:
        ApiError: 500, it has no recipients, is a draft or has ended.
    """
    people = envelopes.recipients(sandbox, document["id"])
    if not people:
        raise errors.plain("Document has no recipients")
    if document["status"] == "DRAFT":
        raise errors.plain("Can not send draft document")
    if document["status"] in envelopes.ENDED:
        raise errors.plain("Can not send completed document")
    _check_count(sandbox, people)
    chosen = [person for person in envelopes.open_people(people) if person["id"] in recipient_ids]
    with sandbox.store.transaction():
        renew(sandbox, document, chosen)
        if sends_mail(document):
            for person in chosen:
                jobs.queue(sandbox, "reminder", document["id"], sandbox.behavior.mail_delay, person["id"])
                sandbox.ledger.record("reminder_sent", document["id"], recipient_id=person["id"])
            events.emit(sandbox, "DOCUMENT_REMINDER_SENT", document["id"])
    return envelopes.recipients(sandbox, document["id"])


def cancel(sandbox: Sandbox, document: Row, reason: str | None) -> None:
    """Cancel a pending document.

    Raises:
        ApiError: 400 `INVALID_REQUEST`, it is not pending.
    """
    if document["status"] != "PENDING":
        raise errors.app_error("INVALID_REQUEST", "Only pending documents can be cancelled")
    with sandbox.store.transaction():
        now = sandbox.clock.stamp()
        sandbox.store.update(
            "documents", document["id"], status="CANCELLED", completed_on=now, updated_on=now
        )
        data = {} if reason is None else {"reason": reason}
        audit.record(sandbox, document, "DOCUMENT_CANCELLED", data, user_id=OWNER.id)
        sandbox.ledger.record("document_voided", document["id"], reason=reason, title=document["name"])
        _mail_all(sandbox, document, "voided_notice")
        events.emit(sandbox, "DOCUMENT_CANCELLED", document["id"])


def delete(sandbox: Sandbox, document: Row) -> None:
    """Remove a draft or a pending document; hide an ended one. The event has the old status."""
    with sandbox.store.transaction():
        hidden = document["status"] in envelopes.ENDED
        if hidden:
            sandbox.store.update("documents", document["id"], deleted_on=sandbox.clock.stamp())
        kind = {"type": "SOFT" if hidden else "HARD"}
        audit.record(sandbox, document, "DOCUMENT_DELETED", kind, user_id=OWNER.id)
        sandbox.ledger.record(
            "document_deleted", document["id"], title=document["name"], status=document["status"]
        )
        if document["status"] == "PENDING":
            _mail_all(sandbox, document, "voided_notice")
        is_template = document["type"] == "TEMPLATE"
        event = "TEMPLATE_DELETED" if is_template else "DOCUMENT_CANCELLED"
        events.emit(sandbox, event, document["id"])
        if not hidden:
            _remove(sandbox, document["id"])


def renew(sandbox: Sandbox, document: Row, people: list[Row]) -> None:
    """Start the time to sign of recipients anew."""
    period = document["meta"]["envelopeExpirationPeriod"]
    if period is None:
        length = _DEFAULT_PERIOD
    elif "disabled" in period:
        return
    else:
        length = timedelta(days=_PERIODS[period["unit"]] * period["amount"])
    expires_at = iso(sandbox.clock.now() + length)
    for person in people:
        sandbox.store.update("recipients", person["id"], expires_at=expires_at, expiration_notified_at=None)


def invite(sandbox: Sandbox, document: Row, person: Row) -> None:
    """Queue an invitation, if the envelope sends mail."""
    if sends_mail(document):
        jobs.queue(sandbox, "invitation", document["id"], sandbox.behavior.mail_delay, person["id"])


def sends_mail(document: Row) -> bool:
    """Return whether an envelope's recipients get mail."""
    settings = document["meta"]["emailSettings"] or {}
    wanted: bool = settings.get("recipientSigningRequest", True)
    return document["meta"]["distributionMethod"] == "EMAIL" and wanted


def keep_mail(sandbox: Sandbox, document: Row, person: Row, kind: str) -> None:
    """Keep an e-mail to a recipient; without an address there is none."""
    if person["email"]:
        mail.keep(
            sandbox,
            document["id"],
            kind,
            person["email"],
            sender=USERS[document["user_id"]].name,
            title=document["name"],
            person=person,
        )


def _check(sandbox: Sandbox, document: Row, people: list[Row]) -> None:
    if not people:
        raise errors.plain("Document has no recipients")
    if document["status"] in envelopes.ENDED:
        raise errors.plain("Can not send completed document")
    if not envelopes.items(sandbox, document["id"]):
        raise errors.plain("Missing envelope items")
    _check_count(sandbox, people)
    fields = envelopes.fields(sandbox, document["id"])
    with_signature = {field["recipient_id"] for field in fields if field["type"] in SIGNATURES}
    for person in people:
        if person["role"] == "SIGNER" and person["id"] not in with_signature:
            message = f"Signer {person['id']} is missing a signature field"
            raise errors.app_error("MISSING_SIGNATURE_FIELD", message)
        needs_address = person["auth"]["accessAuth"] or person["auth"]["actionAuth"]
        if needs_address and not person["email"]:
            message = "Recipients with authentication need an email"
            raise errors.app_error("INVALID_REQUEST", message)


def _check_count(sandbox: Sandbox, people: list[Row]) -> None:
    limit = sandbox.behavior.recipient_limit
    if limit is not None and len(people) > limit:
        message = f"You cannot send a document with more than {limit} recipients"
        raise errors.app_error("RECIPIENT_LIMIT_EXCEEDED", message)


def _mail_all(sandbox: Sandbox, document: Row, kind: str) -> None:
    """Keep an e-mail to all recipients that were invited."""
    for person in envelopes.recipients(sandbox, document["id"]):
        if person["send_status"] == "SENT" and person["role"] != "CC":
            keep_mail(sandbox, document, person, kind)


def _remove(sandbox: Sandbox, document_id: str) -> None:
    for item in envelopes.items(sandbox, document_id):
        sandbox.store.execute("DELETE FROM files WHERE id IN (?, ?)", item["id"], f"{item['id']}.signed")
    for table in ("items", "recipients", "fields", "audit", "jobs"):
        sandbox.store.execute(f"DELETE FROM {table} WHERE document_id = ?", document_id)  # noqa: S608 - constant names
    sandbox.store.execute("DELETE FROM documents WHERE id = ?", document_id)
