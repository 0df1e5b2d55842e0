"""What is wrong with the shape of a draft, in the words of whoever wrote it, without what they wrote."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from countersign.agreements.messages import (
    AgreementInput,
    DeliverableSource,
    LinkSource,
    ReminderPlan,
    RolesSource,
    Sender,
    SignatureField,
    Signer,
    TemplateSource,
)
from countersign.suggestions import did_you_mean

MOMENT: Final = "write 14d, 36h or a moment with its offset, such as 2027-01-31T12:00:00Z"

_PERSON: Final = "write 'Name <address>'"
_DURATION: Final = "write a duration with its unit, such as 3d, 12h, P3D or PT12H"
_NUMBER: Final = "write a number"
_NO_EMAIL: Final = "that is no e-mail address"

_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "template": tuple(TemplateSource.model_fields),
    "file": ("kind", "path"),
    "link": tuple(LinkSource.model_fields),
    "deliverable": tuple(DeliverableSource.model_fields),
    "roles": tuple(RolesSource.model_fields),
}
"""What each kind of source is written with."""
_PARTS: Final[dict[str, type[BaseModel]]] = {
    "signers": Signer,
    "sender": Sender,
    "fields": SignatureField,
    "reminders": ReminderPlan,
}
_ONE_OF: Final = {"signers": "signer", "fields": "field", "cc": "cc"}
"""What one item of a list is called."""

_OF_PLACE: Final = {
    "signers": "write a list, each 'Name <address>'",
    "signers.*": _PERSON,
    "signers.*.email": _NO_EMAIL,
    "sender": _PERSON,
    "sender.email": _NO_EMAIL,
    "cc": "write a list of addresses",
    "cc.*": _NO_EMAIL,
    "fields": "write a list, each such as {signer: 1, anchor: '{signature1}'}",
    "fields.*": "write a mapping such as {signer: 1, anchor: '{signature1}'}",
    "reminders": "write a mapping such as {after: P3D, every: P7D, at_most: 5}",
    "source": f"write a mapping with a kind: {', '.join(_KINDS)}",
    "source.url": "the link must begin with https://",
    "source.variables": "write a mapping of names to values",
    "initiated_by": "an opaque id of up to 64 letters, digits and ._:-, never a name or an address",
}
"""What to write instead, by where it is; `*` stands for any item of a list."""

_OF_KIND: Final = {
    "string_type": "write a text, in quotes where it looks like something else",
    "string_too_short": "it is empty",
    "string_too_long": "at most {max_length} characters",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "int_": "write a whole number",
    "float_": _NUMBER,
    "finite_number": _NUMBER,
    "bool_": "write true or false",
    "datetime_": MOMENT,
    "time_delta_": _DURATION,
}
"""What to write instead, by how pydantic's name of the mistake begins."""


def mistakes(error: ValidationError) -> list[str]:
    """Say all that is wrong, each where it is."""
    found = error.errors(include_input=False, include_url=False)
    return [
        _sentence(item["loc"], item["type"], item.get("ctx", {}), item["msg"])
        for item in found
        if _counts(item, found)
    ]


def _counts(error: Mapping[str, Any], found: Iterable[Mapping[str, Any]]) -> bool:
    """A list is called too short also since items of it are wrong: then they alone are told."""
    loc = error["loc"]
    within = any(item["loc"][: len(loc)] == loc != item["loc"] for item in found)
    return not (error["type"] == "too_short" and within)


def _sentence(loc: tuple[int | str, ...], kind: str, limits: Mapping[str, Any], words: str) -> str:
    names = _names_at(loc)
    if loc[0] == "source":  # pydantic names the kind that it tried; people do not need that
        loc = (*loc[:1], *loc[2:])
    place = _place(loc)
    match kind:
        case "missing":
            return f"{place} is missing"
        case "union_tag_not_found":
            return f"source.kind is missing: write {', '.join(_KINDS)}"
        case "union_tag_invalid":
            near = did_you_mean(str(limits["tag"]), _KINDS)
            return f"source.kind: there is no such kind{near or ': write ' + ', '.join(_KINDS)}"
        case "extra_forbidden" | "invalid_key":
            reported = f"there is no such field{did_you_mean(str(loc[-1]), names)}"
        case "too_short":
            reported = "name at least one"
        case "too_long":
            reported = f"at most {limits['max_length']}"
        case _:
            reported = _instead(loc, kind, limits) or words
    return f"{place}: {reported}"


def _instead(loc: tuple[int | str, ...], kind: str, limits: Mapping[str, Any]) -> str | None:
    """Say what to write instead, if we have words for it."""
    if reported := _OF_PLACE.get(".".join("*" if isinstance(part, int) else str(part) for part in loc)):
        return reported
    return next((text.format(**limits) for name, text in _OF_KIND.items() if kind.startswith(name)), None)


def _place(loc: tuple[int | str, ...]) -> str:
    """Name a place as people count: `signer 1: email`, `source.url`."""
    if len(loc) > 1 and isinstance(loc[1], int):
        rest = ".".join(str(part) for part in loc[2:])
        item = f"{_ONE_OF.get(str(loc[0]), loc[0])} {loc[1] + 1}"
        return f"{item}: {rest}" if rest else item
    return ".".join(str(part) for part in loc)


def _names_at(loc: tuple[int | str, ...]) -> Iterable[str]:
    """Which names may be written where this one is."""
    if len(loc) == 1:
        return AgreementInput.model_fields
    if loc[0] == "source":
        return _KINDS.get(str(loc[1]), ())
    part = _PARTS.get(str(loc[0]))
    return part.model_fields if part else ()
