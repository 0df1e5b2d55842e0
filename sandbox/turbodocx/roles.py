"""Signer roles of a template: assign recipients and fields."""

from typing import Any

from sandbox.turbodocx import errors
from sandbox.turbodocx.recipients import Recipient
from sandbox.turbodocx.sources import Source


def fill(source: Source, people: list[Recipient]) -> tuple[list[Recipient], list[dict[str, Any]]]:
    """Assign recipients to the template's roles, and saved signers to the remaining roles.

    Returns:
        The recipients with their signing order, and the fields saved for them.

    Raises:
        ApiError: 400 with one of the documented codes.
    """
    given = _given(people)
    if source.template is None:
        raise errors.single_step("role can only be used with templateId", "RoleRequiresTemplate")
    if source.template["file_type"] != "pdf":
        raise errors.single_step("Template roles need a PDF template", "TemplateRolesNeedPdfTemplate")
    roles = sorted(source.template["roles"], key=lambda role: role["order"])
    if not roles:
        raise errors.single_step("Template has no signer roles", "TemplateHasNoSignerRoles")
    for key in given:
        if key not in {role["key"] for role in roles}:
            raise errors.single_step(f'Unknown signer role "{key}"', "UnknownSignerRole")
    filled = {role["key"]: given.get(role["key"]) or _saved(role) for role in roles}
    emails = [person.email.lower() for person in filled.values()]
    if len(set(emails)) < len(emails):
        raise errors.single_step("Two roles have the same email", "DuplicateRoleEmail")
    ordered = [
        person.model_copy(update={"signing_order": role["order"]})
        for role, person in ((role, filled[role["key"]]) for role in roles)
    ]
    return ordered, _fields(source.template["fields"], filled)


def _given(people: list[Recipient]) -> dict[str, Recipient]:
    given: dict[str, Recipient] = {}
    for person in people:
        if person.role is None:
            raise errors.single_step("Every recipient needs a role, or none may have one", "InvalidRecipient")
        if person.role in given:
            raise errors.single_step(f'Signer role "{person.role}" is given twice', "DuplicateSignerRole")
        given[person.role] = person
    return given


def _saved(role: dict[str, Any]) -> Recipient:
    if "defaultEmail" not in role:
        raise errors.single_step(f'Signer role "{role["key"]}" is not filled', "SignerRoleUnfilled")
    return Recipient(name=role["defaultName"], email=role["defaultEmail"], role=role["key"])


def _fields(saved: list[dict[str, Any]], filled: dict[str, Recipient]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in field.items() if key != "role"}
        | {"recipientEmail": filled[field["role"]].email}
        for field in saved
    ]
