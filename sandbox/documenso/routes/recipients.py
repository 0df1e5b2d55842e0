"""`/envelope/recipient/…`: read, add, change, remove and reject recipients."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from sandbox.core.bodies import json_object
from sandbox.core.responses import json_response
from sandbox.core.store import Row
from sandbox.core.validation import Body, Query, check
from sandbox.documenso import audit, creation, envelopes, errors, sending, signing, views
from sandbox.documenso import sandbox as sandboxes
from sandbox.documenso.auth import procedure
from sandbox.documenso.routes.paths import both
from sandbox.documenso.sandbox import OWNER, USERS, Sandbox
from sandbox.documenso.values import (
    ROLES,
    AccessAuth,
    ActionAuth,
    Email,
    Name,
    NewRecipient,
    Whole,
    WholeText,
)


class CreateMany(Body):
    """The body of an addition."""

    envelope_id: str
    data: Annotated[list[NewRecipient], Field(min_length=1)]


class Change(Body):
    """New values of a recipient."""

    id: Whole
    email: Email | None = None
    name: Name | None = None
    role: ROLES | None = None
    signing_order: Whole | None = None
    access_auth: AccessAuth | None = None
    action_auth: ActionAuth | None = None


class UpdateMany(Body):
    """The body of a change."""

    envelope_id: str
    data: Annotated[list[Change], Field(min_length=1)]


class Delete(Body):
    """The body of a removal."""

    recipient_id: Whole


class Reject(Body):
    """The body of a refusal that was made elsewhere."""

    envelope_id: str
    reason: Annotated[str, StringConstraints(min_length=1)]
    act_as_email: Email | None = None


class PathId(Query):
    """A recipient's id in a path."""

    id: WholeText


async def get(request: Request, team: int) -> Response:
    """Return a recipient with their fields."""
    sandbox = sandboxes.of(request)
    document, person = _find(sandbox, _path_id(request), team)
    return json_response(views.recipient_with_fields(sandbox, document, person))


async def create_many(request: Request, team: int) -> Response:
    """Add recipients, also to a pending document; they get no invitation."""
    sandbox = sandboxes.of(request)
    asked = check(CreateMany, await json_object(request), errors.invalid_input)
    document = _changeable(sandbox, asked.envelope_id, team)
    with sandbox.store.transaction():
        people = [creation.add_recipient(sandbox, document, person, OWNER.id) for person in asked.data]
        envelopes.touch(sandbox, document["id"])
        for person in people:
            sandbox.ledger.record("recipient_created", document["id"], recipient_id=person["id"])
    return json_response({"data": [views.recipient(document, person) for person in people]})


async def update_many(request: Request, team: int) -> Response:
    """Change recipients: they keep their token, and get no invitation."""
    sandbox = sandboxes.of(request)
    asked = check(UpdateMany, await json_object(request), errors.invalid_input)
    document = _changeable(sandbox, asked.envelope_id, team)
    known = {person["id"]: person for person in envelopes.recipients(sandbox, document["id"])}
    for change in asked.data:
        if change.id not in known:
            raise errors.not_found("Recipient")
        _require_open(sandbox, document, known[change.id])
    with sandbox.store.transaction():
        for change in asked.data:
            _update(sandbox, document, known[change.id], change)
        envelopes.touch(sandbox, document["id"])
    numbers = {"documentId": document["seq"], "templateId": None}
    changed = [sandbox.store.find("recipients", str(change.id)) or {} for change in asked.data]
    return json_response({"data": [views.recipient(document, person) | numbers for person in changed]})


async def delete(request: Request, team: int) -> Response:
    """Remove a recipient with their fields and their link."""
    sandbox = sandboxes.of(request)
    asked = check(Delete, await json_object(request), errors.invalid_input)
    document, person = _find(sandbox, asked.recipient_id, team)
    _changeable(sandbox, document["id"], team)
    _require_open(sandbox, document, person)
    with sandbox.store.transaction():
        sandbox.store.execute("DELETE FROM fields WHERE recipient_id = ?", person["id"])
        sandbox.store.execute("DELETE FROM recipients WHERE id = ?", person["id"])
        envelopes.touch(sandbox, document["id"])
        audit.record(sandbox, document, "RECIPIENT_DELETED", audit.of_recipient(person), user_id=OWNER.id)
        sandbox.ledger.record("recipient_deleted", document["id"], recipient_id=person["id"])
        if person["send_status"] == "SENT" and person["role"] != "CC":
            sending.keep_mail(sandbox, document, person, "removed_notice")
    return json_response({"success": True})


async def reject(request: Request, team: int) -> Response:
    """Record a refusal; the document stays pending until the sealing job."""
    sandbox = sandboxes.of(request)
    asked = check(Reject, await json_object(request), errors.invalid_input)
    document = envelopes.find(sandbox, asked.envelope_id, team, "DOCUMENT")
    person = _recipient_of(sandbox, document, _path_id(request))
    user = _user(asked.act_as_email)
    signing.reject(sandbox, document, person, asked.reason, user_id=user)
    return json_response(
        views.recipient_with_fields(sandbox, document, _recipient_of(sandbox, document, person["id"]))
    )


def _find(sandbox: Sandbox, recipient_id: int, team: int) -> tuple[Row, Row]:
    person = sandbox.store.find("recipients", str(recipient_id))
    document = None if person is None else envelopes.visible(sandbox, person["document_id"], team)
    if person is None or document is None:
        raise errors.not_found("Recipient")
    return document, person


def _recipient_of(sandbox: Sandbox, document: Row, recipient_id: int) -> Row:
    for person in envelopes.recipients(sandbox, document["id"]):
        if person["id"] == recipient_id:
            return person
    raise errors.not_found("Recipient")


def _changeable(sandbox: Sandbox, envelope_id: str, team: int) -> Row:
    document = envelopes.find(sandbox, envelope_id, team)
    if document["status"] in envelopes.ENDED:
        raise errors.app_error("INVALID_REQUEST", "Envelope already complete")
    return document


def _require_open(sandbox: Sandbox, document: Row, person: Row) -> None:
    fields = envelopes.fields(sandbox, document["id"], person["id"])
    acted = person["role"] != "CC" and person["status"] == "SIGNED"
    if acted or any(field["inserted"] for field in fields):
        message = "Cannot modify a recipient who has already interacted with the document"
        raise errors.app_error("INVALID_REQUEST", message)


def _update(sandbox: Sandbox, document: Row, person: Row, change: Change) -> None:
    given: dict[str, Any] = {
        "email": change.email,
        "name": change.name,
        "role": change.role,
        "signing_order": change.signing_order,
    }
    columns = {key: value for key, value in given.items() if value is not None}
    auth = {
        "accessAuth": person["auth"]["accessAuth"] if change.access_auth is None else change.access_auth,
        "actionAuth": person["auth"]["actionAuth"] if change.action_auth is None else change.action_auth,
    }
    is_copied = (change.role or person["role"]) == "CC"
    sandbox.store.update(
        "recipients",
        person["id"],
        **columns,
        auth=auth,
        send_status="SENT" if is_copied else "NOT_SENT",
        status="SIGNED" if is_copied else "NOT_SIGNED",
    )
    changes = [
        {"type": key.upper(), "from": str(person[key]), "to": str(value)}
        for key, value in columns.items()
        if key != "signing_order" and value != person[key]
    ]
    data = audit.of_recipient(person) | {"changes": changes}
    audit.record(sandbox, document, "RECIPIENT_UPDATED", data, user_id=OWNER.id)
    sandbox.ledger.record("recipient_updated", document["id"], recipient_id=person["id"])


def _user(email: str | None) -> int:
    if email is None:
        return OWNER.id
    for user in USERS.values():
        if user.email == email:
            return user.id
    raise errors.not_found("User")


def _path_id(request: Request) -> int:
    return check(PathId, {"id": request.path_params["id"]}, errors.invalid_input).id


ROUTES = both(
    [
        (
            "POST",
            "/envelope/recipient/create-many",
            procedure("envelope.recipient.createMany", create_many),
        ),
        (
            "POST",
            "/envelope/recipient/update-many",
            procedure("envelope.recipient.updateMany", update_many),
        ),
        ("POST", "/envelope/recipient/delete", procedure("envelope.recipient.delete", delete)),
        ("POST", "/envelope/recipient/{id}/reject", procedure("envelope.recipient.reject", reject)),
        ("GET", "/envelope/recipient/{id}", procedure("envelope.recipient.get", get)),
    ]
)
