"""Read and check the recipients of a send."""

import re
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from sandbox.core.validation import Body, is_email, problems_of
from sandbox.turbodocx import errors
from sandbox.turbodocx.identity import check_identity
from sandbox.turbodocx.sandbox import Sandbox

_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


class Recipient(Body):
    """A signer."""

    name: Any = None
    email: Any = None
    signing_order: Annotated[int, Field(ge=1, le=10_000)] | None = None
    role: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    metadata: dict[str, Any] | None = None
    phone: str | None = None
    external_id: Annotated[str, StringConstraints(max_length=255)] | None = None
    identity_verification: dict[str, Any] | None = None


_RECIPIENTS: Final = TypeAdapter(Annotated[list[Recipient], Field(min_length=1, max_length=100)])


def read(raw: list[Any]) -> list[Recipient]:
    """Read recipients.

    Raises:
        ApiError: 400 with one of the documented codes.
    """
    try:
        found = _RECIPIENTS.validate_python(raw)
    except ValidationError as error:
        message = "; ".join(message for _, message in problems_of(error))
        raise errors.single_step(message, "InvalidRecipient") from None
    for person in found:
        if not isinstance(person.name, str) or not person.name.strip():
            raise errors.single_step("Recipient name is required", "RecipientNameRequired")
        if len(person.name) > 255 or not isinstance(person.email, str) or not is_email(person.email):  # noqa: PLR2004 - the provider's limit
            raise errors.single_step("Recipient needs a valid name and email", "InvalidRecipient")
        if person.role is not None and person.signing_order is not None:
            raise errors.single_step("signingOrder cannot be used with role", "InvalidRecipient")
    return found


def check(sandbox: Sandbox, people: list[Recipient]) -> list[dict[str, Any]]:
    """Check recipients against the other recipients and the organization's settings.

    Returns:
        Their columns.

    Raises:
        ApiError: 400, 402 or 403 with one of the documented codes.
    """
    _unique(
        [person.email.lower() for person in people], "Recipient emails must be unique", "InvalidRecipient"
    )
    external = [
        person.external_id.strip() for person in people if person.external_id and person.external_id.strip()
    ]
    _unique(external, "externalId must be unique in the document", "DuplicateExternalId")
    return [_columns(sandbox, person, place) for place, person in enumerate(people, start=1)]


def _columns(sandbox: Sandbox, person: Recipient, place: int) -> dict[str, Any]:
    phone = person.phone.strip() if person.phone and person.phone.strip() else None
    if phone is not None and not _PHONE.fullmatch(phone):
        raise errors.identity(400, "phone must be in E.164 format", "OtpPhoneInvalid")
    return {
        "name": person.name,
        "email": person.email,
        "signing_order": person.signing_order or place,
        "metadata": person.metadata or {},
        "phone": phone,
        "external_id": (person.external_id or "").strip() or None,
        "identity": check_identity(sandbox.behavior, person.identity_verification, phone),
    }


def _unique(values: list[str], message: str, code: str) -> None:
    if len(set(values)) < len(values):
        raise errors.single_step(message, code)
