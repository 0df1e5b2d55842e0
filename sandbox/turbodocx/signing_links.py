"""Signing links: reusable ones, and single-use ones for external identity checks."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, StringConstraints

from sandbox.core.clock import iso, parse
from sandbox.core.receivers import is_allowed
from sandbox.core.store import Row
from sandbox.core.validation import Body, Guid
from sandbox.turbodocx import audit, documents, errors, mail
from sandbox.turbodocx.sandbox import Sandbox

_SINGLE_USE: Final = timedelta(minutes=5)
_SKEW: Final = timedelta(minutes=5)

Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Assertion(Body):
    """The result of the sender's identity provider."""

    model_config = ConfigDict(extra="forbid")

    provider: Text
    verification_id: Text
    verified_at: Text
    subject_email: Text
    method: Literal["id_document", "id_document_liveness", "kba", "database", "sso", "other"] | None = None
    method_detail: Text | None = None
    assurance_level: Text | None = None
    verified_name: Text | None = None
    evidence_url: Annotated[str, StringConstraints(pattern=r"^https://", max_length=2048)] | None = None
    override_email_matching: bool = False


class Asked(Body):
    """The body of a signing-url call."""

    model_config = ConfigDict(extra="forbid")

    recipient_id: Guid | None = None
    external_id: Annotated[str, StringConstraints(max_length=255)] | None = None
    return_url: Annotated[str, StringConstraints(max_length=2048)] | None = None
    identity_assertion: Assertion | None = None


def mint(sandbox: Sandbox, document: Row, asked: Asked, base_url: str) -> dict[str, Any]:
    """Create a signing link for one recipient.

    Raises:
        ApiError: With one of the documented codes.
    """
    if bool(asked.recipient_id) == bool(asked.external_id):
        message = "Provide exactly one of recipientId and externalId"
        raise errors.identity(400, message, "RecipientSelectorInvalid")
    if asked.return_url and not is_allowed(sandbox.behavior.http_receivers, asked.return_url):
        raise errors.identity(400, "returnUrl must be an https URL", "InvalidReturnUrl")
    if not sandbox.behavior.embedded_signing:
        raise errors.identity(403, "Embedded signing is not enabled", "EmbeddedSigningNotEnabled")
    people = documents.recipients(sandbox, document["id"])
    person = _selected(people, asked)
    _require_turn(sandbox, document, people, person)
    _check_assertion(sandbox, person, asked.identity_assertion)
    with sandbox.store.transaction():
        url, expires = _link(sandbox, document, person, base_url)
        _keep_return_url(sandbox, person, asked.return_url)
        given = asked.identity_assertion
        details = {} if given is None else given.model_dump(by_alias=True)
        audit.record(sandbox, document["id"], "signing_url_created", person, **details)
    return {
        "url": url,
        "expiresAt": expires,
        "recipientId": person["id"],
        "externalId": person["external_id"],
        "identityVerificationMode": person["identity"].get("mode"),
        "pendingChecks": _pending(person),
    }


def return_url(sandbox: Sandbox, person: Row) -> str | None:
    """Return where a recipient goes after signing. It is stored, so that no signer can edit it."""
    found = sandbox.store.find("returns", person["id"])
    return None if found is None else str(found["url"])


def _keep_return_url(sandbox: Sandbox, person: Row, url: str | None) -> None:
    """Replace the stored address; a request without one clears it."""
    sandbox.store.execute("DELETE FROM returns WHERE id = ?", person["id"])
    if url:
        sandbox.store.insert("returns", {"id": person["id"], "url": url})


def _selected(people: list[Row], asked: Asked) -> Row:
    for person in people:
        if person["id"] == asked.recipient_id:
            return person
        if asked.external_id and person["external_id"] == asked.external_id:
            return person
    raise errors.identity(404, "Recipient not found", "RecipientNotFound")


def _require_turn(sandbox: Sandbox, document: Row, people: list[Row], person: Row) -> None:
    if document["status"] == "expired" or documents.is_past(document, sandbox.clock.now()):
        raise errors.identity(410, "This document has expired", "DocumentExpired")
    if person["status"] == "completed":
        raise errors.identity(409, "Recipient has already signed", "RecipientAlreadySigned")
    if document["status"] != documents.OPEN:
        raise errors.identity(409, f"Document is {document['status']}", "DocumentNotSignable")
    if person not in documents.next_signers(people):
        raise errors.identity(409, "It is not this recipient's turn", "RecipientNotInTurn")


def _check_assertion(sandbox: Sandbox, person: Row, given: Assertion | None) -> None:
    if person["identity"].get("mode") != "external_idv":
        return
    if given is None:
        raise errors.identity(400, "identityAssertion is required", "IdentityAssertionRequired")
    if given.method == "other" and not given.method_detail:
        raise errors.identity(400, "methodDetail is required", "IdentityAssertionInvalid")
    if given.provider != person["identity"]["provider"]:
        raise errors.identity(400, "The provider is not the recipient's", "IdentityAssertionInvalid")
    if given.subject_email.lower() != person["email"].lower() and not given.override_email_matching:
        raise errors.identity(400, "subjectEmail is not the recipient's email", "IdentitySubjectMismatch")
    age = sandbox.clock.now() - _verified_at(given)
    if not -_SKEW <= age <= timedelta(minutes=person["identity"]["maxAgeMinutes"]):
        raise errors.identity(400, "The verification is too old", "IdentityAssertionExpired")


def _verified_at(given: Assertion) -> datetime:
    try:
        found = datetime.fromisoformat(given.verified_at)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise errors.identity(400, "verifiedAt must be ISO 8601 with an offset", "IdentityAssertionInvalid")
    return found


def _link(sandbox: Sandbox, document: Row, person: Row, base_url: str) -> tuple[str, str | None]:
    if not mail.needs_single_use_link(person):
        return f"{base_url}_sandbox/sign/{person['token']}", document["expires_at"]
    link_id, expires = secrets.token_urlsafe(24), iso(sandbox.clock.now() + _SINGLE_USE)
    sandbox.store.insert("links", {"id": link_id, "recipient_id": person["id"], "expires_at": expires})
    return f"{base_url}_sandbox/sign-once/{link_id}", expires


def _pending(person: Row) -> list[str]:
    if person["identity"].get("mode") != "otp":
        return []
    return [f"{person['identity']['channel']}_otp"]


def use(sandbox: Sandbox, link_id: str) -> Row:
    """Use up a single-use link and return its recipient.

    Raises:
        ApiError: 404, unknown; 410, used or expired.
    """
    with sandbox.store.transaction():
        link = sandbox.store.find("links", link_id)
        if link is None:
            raise errors.identity(404, "This link is not known", "SigningLinkNotFound")
        if link["used"] or sandbox.clock.now() >= parse(link["expires_at"]):
            raise errors.identity(410, "This link has been used or has expired", "SigningLinkExpired")
        sandbox.store.update("links", link_id, used=True)
        return sandbox.store.find("recipients", link["recipient_id"]) or {}
