"""Messages about invalid types and fields in a draft. They never contain values."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from countersign.agreements.messages import (
    AgreementInput,
    DeliverableSource,
    Image,
    JsonData,
    LinkSource,
    ReminderPlan,
    Repeated,
    RichText,
    RolesSource,
    Sender,
    SignatureField,
    Signer,
    Table,
    TemplateSource,
)
from countersign.suggestions import did_you_mean

MOMENT: Final = "write 14d, 36h or a time with an offset from UTC, such as 2027-01-31T12:00:00Z"

_PERSON: Final = "write 'Name <address>'"
_DURATION: Final = "write a duration with a unit, such as 3d, 12h, P3D or PT12H"
_NUMBER: Final = "write a number"
_NO_EMAIL: Final = "is not an e-mail address"

_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "template": tuple(TemplateSource.model_fields),
    "file": ("kind", "path"),
    "link": tuple(LinkSource.model_fields),
    "deliverable": tuple(DeliverableSource.model_fields),
    "roles": tuple(RolesSource.model_fields),
}
"""The fields of every kind of source in a draft."""
_VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    "plain": (),
    "rich": tuple(RichText.model_fields),
    "image": ("kind", "path", *Image.model_fields),
    "list": tuple(Repeated.model_fields),
    "table": tuple(Table.model_fields),
    "json": tuple(JsonData.model_fields),
}
"""The fields of every kind of variable in a draft, by pydantic's tag."""
_VARIABLE: Final = "write a text, or a mapping with a kind: text, html, markdown, image, list, table, json"
_IDENTITY: Final = "write a mapping with a kind: email, sms, external"
_PARTS: Final[dict[str, type[BaseModel]]] = {
    "signers": Signer,
    "sender": Sender,
    "fields": SignatureField,
    "reminders": ReminderPlan,
}
_ITEM_NAMES: Final = {"signers": "signer", "fields": "field", "cc": "cc"}
"""The name of a single item of a list."""

_BY_PLACE: Final = {
    "signers": "write a list of 'Name <address>'",
    "signers.*": _PERSON,
    "signers.*.email": _NO_EMAIL,
    "signers.*.identity.sms.phone": "write it with the country code, such as +493012345678",
    "sender": _PERSON,
    "sender.email": _NO_EMAIL,
    "cc": "write a list of addresses",
    "cc.*": _NO_EMAIL,
    "fields": "write a list of mappings such as {signer: 1, anchor: '{signature1}'}",
    "fields.*": "write a mapping such as {signer: 1, anchor: '{signature1}'}",
    "reminders": "write a mapping such as {after: P3D, every: P7D, at_most: 5}",
    "source": f"write a mapping with a kind: {', '.join(_KINDS)}",
    "source.url": "must begin with https://",
    "source.variables": "write a mapping of names to values",
    "callback_url": "write an https URL of at most 2048 characters",
    "metadata": "write at most 20 names, each with a text",
    "account": "write the name of an account: lower-case letters, digits and dashes",
    "initiated_by": "write an opaque id of up to 64 letters, digits and ._:-, never a name or an address",
}
"""Corrections by place; `*` stands for any item of a list."""

_BY_TYPE: Final = {
    "string_type": "write a text, in quotes if it looks like a number or another type",
    "string_too_short": "is empty",
    "string_too_long": "must have at most {max_length} characters",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "int_": "write a whole number",
    "float_": _NUMBER,
    "finite_number": _NUMBER,
    "bool_": "write true or false",
    "datetime_": MOMENT,
    "time_delta_": _DURATION,
}
"""Corrections by the beginning of pydantic's error type."""


def mistakes(error: ValidationError) -> list[str]:
    """Return one message with its place for every validation error."""
    errors = error.errors(include_input=False, include_url=False)
    return [
        _sentence(problem["loc"], problem["type"], problem.get("ctx", {}), problem["msg"])
        for problem in errors
        if not _is_consequence(problem, errors)
    ]


def _is_consequence(error: Mapping[str, Any], errors: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether pydantic calls a list too short only because its items are invalid."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        problem["loc"][: len(loc)] == loc != problem["loc"] for problem in errors
    )


def _sentence(loc: tuple[int | str, ...], kind: str, limits: Mapping[str, Any], default: str) -> str:
    if not loc:  # the model's own rule
        return default.removeprefix("Value error, ")
    names = _names_at(loc)
    is_variable = loc[2:3] == ("variables",) and len(loc) > 3  # noqa: PLR2004  # source, kind, variables, name
    if loc[0] == "source":  # the second part is the kind that pydantic tried
        loc = (*loc[:1], *loc[2:])
    if is_variable:
        loc = (*loc[:3], *_without_tags(loc[3:]))
    place = _place(loc)
    match kind:
        case "missing":
            return f"{place} is missing"
        case "union_tag_not_found" | "union_tag_invalid":
            return _kind_mistake(loc, place, limits.get("tag"))
        case "extra_forbidden" | "invalid_key":
            correction = f"no such field{did_you_mean(str(loc[-1]), names)}"
        case "too_short":
            correction = "list at least one"
        case "too_long":
            correction = f"list at most {limits['max_length']}"
        case _:
            correction = _correction(loc, kind, limits) or default
    return f"{place}: {correction}"


def _kind_mistake(loc: tuple[int | str, ...], place: str, kind: object) -> str:
    if len(loc) > 1:
        return f"{place}: {_VARIABLE if loc[0] == 'source' else _IDENTITY}"
    if kind is None:
        return f"source.kind is missing: write {', '.join(_KINDS)}"
    near = did_you_mean(str(kind), _KINDS)
    return f"source.kind: no such kind{near or ': write ' + ', '.join(_KINDS)}"


def _correction(loc: tuple[int | str, ...], kind: str, limits: Mapping[str, Any]) -> str | None:
    place = ".".join("*" if isinstance(part, int) else str(part) for part in loc)
    if place in _BY_PLACE:
        return _BY_PLACE[place]
    return next((text.format(**limits) for name, text in _BY_TYPE.items() if kind.startswith(name)), None)


def _place(loc: tuple[int | str, ...]) -> str:
    """Format a place with numbers from 1: `signer 1: email`, `source.url`."""
    if len(loc) > 1 and isinstance(loc[1], int):
        rest = ".".join(str(part) for part in loc[2:])
        item = f"{_ITEM_NAMES.get(str(loc[0]), loc[0])} {loc[1] + 1}"
        return f"{item}: {rest}" if rest else item
    return ".".join(str(part) for part in loc)


def _without_tags(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Remove pydantic's tags of a variable's kind and of its item's, and number items from 1."""
    if loc[:2] == ("list", "items"):
        return ("items", *(int(part) + 1 for part in loc[2:3]), *loc[4:])
    return tuple(part + 1 if isinstance(part, int) else part for part in loc[1:])


def _names_at(loc: tuple[int | str, ...]) -> Iterable[str]:
    """Return the valid field names at a place."""
    if len(loc) == 1:
        return AgreementInput.model_fields
    if loc[0] == "source" and loc[2:3] == ("variables",):
        return next((_VARIABLES[tag] for tag in reversed(loc[4:-1]) if tag in _VARIABLES), ())
    if loc[0] == "source":
        return _KINDS.get(str(loc[1]), ())
    part = _PARTS.get(str(loc[0]))
    return part.model_fields if part else ()
