"""What recipients do, and the jobs that follow: open, sign, reject, invite, seal, expire."""

from typing import Any

from sandbox.core import mail, pdf
from sandbox.core.store import Row
from sandbox.documenso import audit, envelopes, errors, events, jobs, marks, sending
from sandbox.documenso.sandbox import USERS, Sandbox


def view(sandbox: Sandbox, document: Row, person: Row) -> None:
    """Open the document as a recipient; only the first time counts.

    Raises:
        ApiError: 400, the recipient cannot act.
    """
    _require_turn(sandbox, document, person)
    if person["read_status"] == "OPENED":
        return
    with sandbox.store.transaction():
        sandbox.store.update(
            "recipients",
            person["id"],
            read_status="OPENED",
            send_status="SENT",
            viewed_on=sandbox.clock.stamp(),
        )
        data = {"accessAuth": person["auth"]["accessAuth"]}
        audit.record(sandbox, document, "DOCUMENT_OPENED", data, person=person)
        sandbox.ledger.record("document_viewed", document["id"], recipient_id=person["id"])
        events.emit(sandbox, "DOCUMENT_OPENED", document["id"])


def sign(sandbox: Sandbox, document: Row, person: Row, entries: dict[str, Any] | None = None) -> None:
    """Sign as a recipient; this includes opening. `entries` has values by field id.

    After the last one the document stays pending until the sealing job.

    Raises:
        ApiError: 400, the recipient cannot act.
    """
    with sandbox.store.transaction():
        view(sandbox, document, person)
        now = sandbox.clock.stamp()
        sandbox.store.update("recipients", person["id"], status="SIGNED", signed_on=now)
        for field in envelopes.fields(sandbox, document["id"], person["id"]):
            value = marks.value_of(field, person, now, (entries or {}).get(str(field["id"])))
            sandbox.store.update("fields", field["id"], value=value, inserted=True)
        envelopes.touch(sandbox, document["id"])
        data = {"actionAuth": person["auth"]["actionAuth"]}
        audit.record(sandbox, document, "DOCUMENT_RECIPIENT_COMPLETED", data, person=person)
        sandbox.ledger.record("document_signed", document["id"], recipient_id=person["id"])
        events.emit(sandbox, "DOCUMENT_RECIPIENT_COMPLETED", document["id"])
        _advance(sandbox, document)


def reject(sandbox: Sandbox, document: Row, person: Row, reason: str, *, user_id: int | None = None) -> None:
    """Reject as a recipient, or on their behalf as a user; the document ends in the sealing job.

    Raises:
        ApiError: 400 `INVALID_REQUEST`, the document is not pending, or the recipient has acted.
    """
    if document["status"] != "PENDING":
        raise errors.app_error("INVALID_REQUEST", "Only pending documents can be rejected")
    if person["role"] == "CC" or person["status"] != "NOT_SIGNED":
        raise errors.app_error("INVALID_REQUEST", "The recipient cannot reject: they have acted already")
    with sandbox.store.transaction():
        sandbox.store.update(
            "recipients",
            person["id"],
            status="REJECTED",
            rejection_reason=reason,
            signed_on=sandbox.clock.stamp(),
        )
        envelopes.touch(sandbox, document["id"])
        data: dict[str, Any] = {"reason": reason}
        if user_id is not None:
            user = USERS[user_id]
            data |= {
                "isExternal": True,
                "onBehalfOfUserEmail": user.email,
                "onBehalfOfUserName": user.name,
            }
        audit.record(sandbox, document, "DOCUMENT_RECIPIENT_REJECTED", data, person=person)
        sandbox.ledger.record("document_declined", document["id"], recipient_id=person["id"], reason=reason)
        jobs.queue(sandbox, "seal", document["id"], sandbox.behavior.seal_delay)


def sweep(sandbox: Sandbox) -> None:
    """Run the jobs that are due, and report recipients whose time to sign is over."""
    while True:
        with sandbox.store.transaction():
            job = jobs.take_due(sandbox)
            if job is None:
                break
            _run(sandbox, job)
    overdue = sandbox.store.rows(
        "SELECT recipients.* FROM recipients JOIN documents ON documents.id = recipients.document_id"
        " WHERE documents.status = 'PENDING' AND recipients.status = 'NOT_SIGNED'"
        " AND expires_at <= ? AND expiration_notified_at IS NULL",
        sandbox.clock.stamp(),
    )
    for person in overdue:
        with sandbox.store.transaction():
            _expire(sandbox, person)


def _run(sandbox: Sandbox, job: Row) -> None:
    document = sandbox.store.find("documents", job["document_id"])
    if document is None:
        return
    if job["kind"] == "seal":
        _seal(sandbox, document)
    elif job["kind"] == "signed_event":
        events.emit(sandbox, "DOCUMENT_SIGNED", document["id"])
    else:
        person = sandbox.store.find("recipients", job["recipient_id"])
        if person is not None and document["status"] == "PENDING" and not sandbox.behavior.mails_lost:
            _send_mail(sandbox, document, person, is_reminder=job["kind"] == "reminder")


def _send_mail(sandbox: Sandbox, document: Row, person: Row, *, is_reminder: bool) -> None:
    if not person["email"]:
        return
    sending.keep_mail(sandbox, document, person, "reminder" if is_reminder else "signature_request")
    sandbox.store.update("recipients", person["id"], send_status="SENT")
    kinds = {"VIEWER": "VIEW_REQUEST", "APPROVER": "APPROVE_REQUEST", "ASSISTANT": "ASSISTING_REQUEST"}
    kind = "REMINDER" if is_reminder else kinds.get(person["role"], "SIGNING_REQUEST")
    data = audit.of_recipient(person) | {"emailType": kind, "isResending": is_reminder}
    audit.record(sandbox, document, "EMAIL_SENT", data, user_id=document["user_id"])


def _advance(sandbox: Sandbox, document: Row) -> None:
    """Invite the next recipients, or queue the sealing job after the last one."""
    people = envelopes.recipients(sandbox, document["id"])
    last = not envelopes.open_people(people)
    behavior = sandbox.behavior
    if last:
        jobs.queue(sandbox, "seal", document["id"], behavior.seal_delay)
    elif document["meta"]["signingOrder"] == "SEQUENTIAL":
        for person in envelopes.next_people(document, people):
            if person["send_status"] != "SENT":
                sending.invite(sandbox, document, person)
    if last and behavior.signed_after_completed:
        jobs.queue(sandbox, "signed_event", document["id"], behavior.seal_delay + 0.2)
    else:
        events.emit(sandbox, "DOCUMENT_SIGNED", document["id"])


def _seal(sandbox: Sandbox, document: Row) -> None:
    """End a document: rejected if a recipient rejected, else completed."""
    if document["status"] in envelopes.ENDED:
        return
    people = envelopes.recipients(sandbox, document["id"])
    rejected = any(person["status"] == "REJECTED" for person in people)
    if not rejected and envelopes.open_people(people):
        return
    for item in envelopes.items(sandbox, document["id"]):
        sandbox.store.keep_file(f"{item['id']}.signed", _sealed(sandbox, document, item, rejected=rejected))
    now, status = sandbox.clock.stamp(), "REJECTED" if rejected else "COMPLETED"
    sandbox.store.update("documents", document["id"], status=status, completed_on=now, updated_on=now)
    if rejected:
        sandbox.ledger.record("document_rejected", document["id"], title=document["name"])
    else:
        audit.record(sandbox, document, "DOCUMENT_COMPLETED", {"transactionId": document["meta"]["id"]})
        sandbox.ledger.record("document_completed", document["id"], title=document["name"])
    events.emit(sandbox, f"DOCUMENT_{status}", document["id"])
    _mail_end(sandbox, document, people, "declined_notice" if rejected else "completed_copy")


def _sealed(sandbox: Sandbox, document: Row, item: Row, *, rejected: bool) -> bytes:
    content = sandbox.store.file(item["id"]) or b""
    footer = f"{document['id']} | {'rejected' if rejected else 'sealed'} {sandbox.clock.stamp()}"
    try:
        return pdf.stamp(content, marks.marks(sandbox, document, item), footer)
    except pdf.UnreadablePdfError:
        return content


def _mail_end(sandbox: Sandbox, document: Row, people: list[Row], kind: str) -> None:
    owner = USERS[document["user_id"]]
    mail.keep(sandbox, document["id"], kind, owner.email, sender=owner.name, title=document["name"])
    if document["meta"]["distributionMethod"] == "EMAIL":
        for person in people:
            sending.keep_mail(sandbox, document, person, kind)


def _expire(sandbox: Sandbox, person: Row) -> None:
    sandbox.store.update("recipients", person["id"], expiration_notified_at=sandbox.clock.stamp())
    document = sandbox.store.find("documents", person["document_id"]) or {}
    audit.record(sandbox, document, "DOCUMENT_RECIPIENT_EXPIRED", audit.of_recipient(person))
    sandbox.ledger.record("recipient_expired", document["id"], recipient_id=person["id"])
    events.emit(sandbox, "RECIPIENT_EXPIRED", document["id"])


def _require_turn(sandbox: Sandbox, document: Row, person: Row) -> None:
    if document["status"] == "DRAFT":
        raise errors.app_error("ENVELOPE_DRAFT", "The document has not been sent")
    if document["status"] in envelopes.ENDED:
        raise errors.app_error(f"ENVELOPE_{document['status']}", "The document has ended")
    if person["status"] != "NOT_SIGNED" or person["role"] == "CC":
        raise errors.app_error("INVALID_REQUEST", "The recipient has nothing to sign")
    if envelopes.is_expired(sandbox, person):
        raise errors.app_error("RECIPIENT_EXPIRED", "The time to sign is over")
    people = envelopes.recipients(sandbox, document["id"])
    if person["id"] not in {waiting["id"] for waiting in envelopes.next_people(document, people)}:
        raise errors.app_error("NOT_RECIPIENTS_TURN", "Another recipient is first")
