"""Make an agreement of what a person or a program wrote: a mapping, a YAML or JSON file, flags.

A draft is `AgreementInput` as JSON, with some ease: a person may be written `Ada Example <ada@example.com>`
(with a role, `client=Ada Example <ada@example.com>`), a deadline `14d` or `36h`, a file by its `path` on this
machine, and a missing reference is made.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from commands.errors import BadInputError
from commands.files import LocalFile, read_file
from countersign.reference import InvalidReferenceError, check_reference, new_reference
from workflows.messages import AgreementInput, Signer
from workflows.validation import problems

_SPAN: Final = re.compile(r"(?P<count>\d{1,6})(?P<unit>[dh])")
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_PERSON: Final = re.compile(r"(?:(?P<role>[^<>=]+)=)?(?P<name>[^<>]+)<(?P<email>[^<>]+)>")


def read_draft(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON file.

    Raises:
        BadInputError: It is missing, or holds something else.
    """
    try:
        draft = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise BadInputError(f"{path}{line}: that is neither YAML nor JSON") from None
    if not isinstance(draft, dict):
        raise BadInputError(f"{path}: an agreement is a mapping of names to values")
    return draft


async def check_draft(draft: AgreementInput | Mapping[str, Any]) -> tuple[AgreementInput, LocalFile | None]:
    """Make an agreement of a draft and check all that needs no provider.

    Returns:
        The agreement, and the local file that it sends, if it does.

    Raises:
        BadInputError: It cannot work; the message names everything that is wrong.
    """
    now = datetime.now(UTC)
    if isinstance(draft, AgreementInput):
        agreement, file = draft, None
    else:
        plain, file = await _plain(draft, now)
        agreement = _validated(plain)
    if wrong := problems(agreement, now):
        raise BadInputError("; ".join(wrong))
    return agreement, file


async def _plain(draft: Mapping[str, Any], now: datetime) -> tuple[dict[str, Any], LocalFile | None]:
    """Write a draft's shorthands out."""
    plain = {"reference": new_reference(), **draft}
    plain["reference"] = _text(plain["reference"])
    file = None
    if isinstance(signers := draft.get("signers"), list):
        plain["signers"] = [read_person(f"signer {place}", each) for place, each in enumerate(signers, 1)]
    if isinstance(draft.get("sender"), str):
        plain["sender"] = read_person("sender", draft["sender"])
    if isinstance(deadline := draft.get("deadline"), str):
        plain["deadline"] = _deadline(deadline, now)
    source = draft.get("source")
    if isinstance(source, Mapping) and source.get("kind") == "file" and "path" in source:
        file = await read_file(Path(source["path"]))
        plain["source"] = file.source
    elif isinstance(source, Mapping) and isinstance(variables := source.get("variables"), Mapping):
        plain["source"] = {**source, "variables": {name: _text(value) for name, value in variables.items()}}
    return plain, file


def _text(value: Any) -> Any:
    """Write numbers and dates out: YAML reads them as such, and a document shows them as text."""
    is_plain = isinstance(value, int | float | date) and not isinstance(value, bool)
    return str(value) if is_plain else value


def read_signer(place: str, text: str) -> Signer:
    """Read a signer whom somebody typed.

    Raises:
        BadInputError: It has another shape than `Name <address>`, or that is no address.
    """
    try:
        return Signer.model_validate(read_person(place, text))
    except ValidationError as error:
        raise BadInputError(f"{place}: {_problems(error)}") from None


def read_person(place: str, person: Any) -> Any:
    """Read `Name <address>` or `role=Name <address>`; anything but a text is returned as it is.

    Raises:
        BadInputError: It is a text of another shape.
    """
    if not isinstance(person, str):
        return person
    if (found := _PERSON.fullmatch(person.strip())) is None:
        raise BadInputError(f"{place}: write 'Name <address>'")
    return {part: text.strip() for part, text in found.groupdict().items() if text is not None}


def _deadline(text: str, now: datetime) -> str | datetime:
    if (span := _SPAN.fullmatch(text.strip())) is None:
        return text
    return now + int(span["count"]) * _UNITS[span["unit"]]


def _validated(plain: Mapping[str, Any]) -> AgreementInput:
    try:
        check_reference(str(plain["reference"]))
        return AgreementInput.model_validate(plain, extra="forbid")
    except InvalidReferenceError as error:
        raise BadInputError(str(error)) from None
    except ValidationError as error:
        raise BadInputError(_problems(error)) from None


def _problems(error: ValidationError) -> str:
    """Say all that is wrong."""
    all_of_them = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(_problem(dict(each)) for each in all_of_them)


def _problem(error: dict[str, Any]) -> str:
    """Say what is wrong where, without the value, which may be somebody's."""
    where = [each for each in error["loc"] if each not in _SOURCE_KINDS]
    place = ".".join(str(each + 1) if isinstance(each, int) else str(each) for each in where)
    kind = error["type"]
    if place == "signers" and kind == "too_short":
        return "signers: name at least one"
    if kind == "extra_forbidden":
        return f"{place}: there is no such field{_did_you_mean(str(where[-1]))}"
    if kind == "missing":
        return f"{place} is missing"
    return (
        f"{place}: {_OF_PLACE.get(place) or _OF_KIND.get(kind) or error['msg'].removeprefix('Value error, ')}"
    )


def _did_you_mean(name: str) -> str:
    near = get_close_matches(name, AgreementInput.model_fields, 1)
    return f"; did you mean {near[0]}?" if near else ""


_OF_PLACE: Final = {
    "source.url": "the link must begin with https://",
    "initiated_by": "an opaque id of up to 64 letters, digits and ._:-, never a name or an address",
}
_MOMENT: Final = "write 14d, 36h or a moment with its offset, such as 2027-01-31T12:00:00Z"
_DURATION: Final = "write a duration such as P3D or PT12H"
_OF_KIND: Final = {
    "datetime_from_date_parsing": _MOMENT,
    "datetime_type": _MOMENT,
    "time_delta_parsing": _DURATION,
    "time_delta_type": _DURATION,
}
"""What to write instead, by what pydantic calls the mistake."""

_SOURCE_KINDS: Final = frozenset({"template", "deliverable", "file", "link", "roles"})
"""Pydantic names the kind of source that it tried; people do not need that."""
