"""Prepare a document for signing or review: check the send, then commit it."""

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

from pydantic import StringConstraints

from sandbox.core.clock import iso
from sandbox.core.store import Row
from sandbox.core.validation import Body, check, is_email
from sandbox.turbodocx import audit, documents, errors, events, fields, mail, recipients, roles
from sandbox.turbodocx.sandbox import Sandbox
from sandbox.turbodocx.schedules import settle
from sandbox.turbodocx.send_bodies import decoded
from sandbox.turbodocx.sources import Source


class Texts(Body):
    """The text fields of a send."""

    document_name: Annotated[str, StringConstraints(max_length=255)] | None = None
    document_description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    sender_email: str | None = None
    sender_name: Annotated[str, StringConstraints(max_length=255)] | None = None
    file_name: Annotated[str, StringConstraints(max_length=255)] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A send that has passed all checks."""

    texts: Texts
    source: Source
    people: list[dict[str, Any]]
    fields: list[dict[str, Any]]
    cc_emails: list[str]
    send_email: bool
    schedule: dict[str, Any]


def prepare(sandbox: Sandbox, body: dict[str, Any], source: Source, *, for_review: bool) -> Prepared:
    """Check a send.

    Raises:
        ApiError: With one of the documented codes.
    """
    body = decoded(body)
    texts = check(Texts, body, errors.invalid)
    sender_name = _sender_name(sandbox, texts)
    people = recipients.read(body["recipients"])
    placed: list[Any] = []
    with_roles = any(person.role for person in people)
    if with_roles:
        people, placed = roles.fill(source, people)
    elif body.get("fields") is None or not (body["fields"] or for_review):
        raise errors.single_step("Fields are required", "FieldsRequired")
    wanted = placed + (body.get("fields") or [])
    columns = recipients.check(sandbox, people)
    placed_fields, content = fields.check(
        wanted, [column["email"] for column in columns], content=source.content
    )
    return Prepared(
        texts=texts.model_copy(update={"sender_name": sender_name}),
        source=replace(source, content=content),
        people=columns,
        fields=placed_fields,
        cc_emails=_cc(body.get("ccEmails")),
        send_email=body.get("sendEmail", True) is not False,
        schedule=settle(body),
    )


def commit(
    sandbox: Sandbox, prepared: Prepared, *, for_review: bool, created_on: str | None = None
) -> tuple[Row, list[Row]]:
    """Create the document; for signing also send it. Returns it with its recipients.

    `created_on` replaces the present time as the time of creation.
    """
    with sandbox.store.transaction():
        document = _document(sandbox, prepared, for_review=for_review)
        if created_on is not None:
            document["created_on"] = created_on
        sandbox.store.insert("documents", document)
        sandbox.store.keep_file(document["id"], prepared.source.content)
        for person in prepared.people:
            row = {"id": str(uuid4()), "document_id": document["id"], "token": secrets.token_urlsafe(24)}
            sandbox.store.insert("recipients", row | person)
        people = documents.recipients(sandbox, document["id"])
        sandbox.ledger.record(
            "document_created",
            document["id"],
            title=document["name"],
            status=document["status"],
            recipients=[recipient["email"] for recipient in people],
        )
        if for_review:
            audit.record(sandbox, document["id"], "prepared_for_review")
        else:
            _send(sandbox, document, people)
    return document, people


def send_reviewed(sandbox: Sandbox, document_id: str) -> Row:
    """Send a document that was prepared for review, as a person does in the provider's app.

    Raises:
        ApiError: 404, unknown; 409, it is not in review.
    """
    with sandbox.store.transaction():
        document = documents.find(sandbox, document_id)
        if document["status"] != documents.REVIEW:
            raise errors.single_step("Document is not in review", "DocumentNotActionable", status=409)
        now = sandbox.clock.now()
        schedule = document["schedule"]
        expires = iso(now + timedelta(hours=schedule["after"])) if schedule["expires"] else None
        changes = {"status": documents.OPEN, "sent_on": iso(now), "expires_at": expires}
        sandbox.store.update("documents", document_id, **changes)
        sandbox.ledger.record("document_sent", document_id, title=document["name"])
        _send(sandbox, document | changes, documents.recipients(sandbox, document_id))
        return document | changes


def _send(sandbox: Sandbox, document: Row, people: list[Row]) -> None:
    audit.record(sandbox, document["id"], "document_sent")
    if document["send_email"]:
        for person in documents.next_signers(people):
            mail.to_signer(sandbox, document, person, "signature_request")
        mail.to_copied(sandbox, document, "cc_notice")
    events.sent(sandbox, document)


def _document(sandbox: Sandbox, prepared: Prepared, *, for_review: bool) -> Row:
    now = sandbox.clock.now()
    expires = prepared.schedule["expires"] and not for_review
    return {
        "id": str(uuid4()),
        "name": prepared.texts.document_name or prepared.source.file_name,
        "description": prepared.texts.document_description or "",
        "file_name": prepared.texts.file_name or prepared.source.file_name,
        "status": documents.REVIEW if for_review else documents.OPEN,
        "source": prepared.source.kind,
        "fields": prepared.fields,
        "cc_emails": prepared.cc_emails,
        "sender_name": prepared.texts.sender_name or "",
        "sender_email": prepared.texts.sender_email or "",
        "send_email": prepared.send_email,
        "schedule": prepared.schedule,
        "review_token": secrets.token_urlsafe(24),
        "created_on": iso(now),
        "sent_on": None if for_review else iso(now),
        "expires_at": iso(now + timedelta(hours=prepared.schedule["after"])) if expires else None,
    }


def _sender_name(sandbox: Sandbox, texts: Texts) -> str:
    if not texts.sender_email:
        raise errors.single_step("senderEmail is required", "SenderEmailRequired")
    if not is_email(texts.sender_email):
        raise errors.invalid([("senderEmail", '"senderEmail" must be a valid email')])
    if name := texts.sender_name or sandbox.behavior.default_sender_name:
        return name
    raise errors.single_step("senderName is required", "SenderNameRequired")


def _cc(value: list[Any] | None) -> list[str]:
    addresses = value or []
    if not all(isinstance(address, str) and is_email(address) for address in addresses):
        raise errors.invalid([("ccEmails", '"ccEmails" must hold valid emails')])
    return addresses
