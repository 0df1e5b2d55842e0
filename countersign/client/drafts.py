"""Conversion of drafts, from a mapping, a YAML or JSON file or flags, to `AgreementInput`.

A draft is `AgreementInput` as JSON with these shorthands: a person is `Ada Example <ada@example.com>`, or
`client=Ada Example <ada@example.com>` with a role; a deadline is `14d` or `36h`; a file is its `path` on this
machine; a missing reference is generated.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from countersign.agreements.messages import AgreementInput, Signer
from countersign.agreements.reference import InvalidReferenceError, check_reference, new_reference
from countersign.agreements.validation import problems
from countersign.client.draft_errors import MOMENT, mistakes
from countersign.client.errors import BadInputError
from countersign.client.files import LocalFile, read_file
from countersign.documents import UnusableFileError, default_fields, misplaced

_SPAN: Final = re.compile(r"(?P<count>\d{1,6})(?P<unit>[dh])")
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_BARE_NUMBER: Final = re.compile(r"[-+]?\d+(\.\d*)?")
_PERSON: Final = re.compile(
    r"(?:(?P<role>[^<>=\"]+)=)?\s*(?P<name>\"(?:[^\"\\\\]|\\\\.)+\"|[^<>]+)\s*<(?P<email>[^<>]+)>"
)


async def check_draft(draft: AgreementInput | Mapping[str, Any]) -> tuple[AgreementInput, LocalFile | None]:
    """Convert a draft to an agreement and run all checks that need no provider.

    Returns:
        The agreement, and the local file that it sends, if any.

    Raises:
        BadInputError: The draft is invalid; the message lists all problems.
    """
    now = datetime.now(UTC)
    wrong: list[str] = []
    if isinstance(draft, AgreementInput):
        agreement, file = draft, None
    else:
        plain, file = await _plain(draft, now, wrong)
        agreement = _validated(plain, wrong)
        if file is not None:
            wrong += _field_problems(agreement, file)
    if wrong := [*wrong, *problems(agreement, now)]:
        raise BadInputError("; ".join(wrong))
    return agreement, file


async def _plain(
    draft: Mapping[str, Any], now: datetime, wrong: list[str]
) -> tuple[dict[str, Any], LocalFile | None]:
    """Expand a draft's shorthands, and append their problems to `wrong`."""
    draft = {name: value for name, value in draft.items() if value is not None}
    plain = {"reference": new_reference(), **draft}
    plain["reference"] = _reference(_text(plain["reference"]), wrong)
    if isinstance(signers := draft.get("signers"), list | tuple):
        plain["signers"] = [_person(signer) for signer in signers]
    if "sender" in draft:
        plain["sender"] = _person(draft["sender"])
    if isinstance(deadline := draft.get("deadline"), str | int | float):
        plain["deadline"] = _deadline(str(deadline), now, wrong)
    if isinstance(reminders := draft.get("reminders"), Mapping):
        plain["reminders"] = {name: _span(value) for name, value in reminders.items()}
    plain["source"], file = await _source(draft.get("source"), wrong)
    return {name: value for name, value in plain.items() if value is not None}, file


async def _source(source: Any, wrong: list[str]) -> tuple[Any, LocalFile | None]:
    """Read the file of a source with a path; convert values of variables to text."""
    if not isinstance(source, Mapping):
        return source, None
    if source.get("kind") == "file" and "key" not in source:
        return await _local_file(source, wrong)
    if isinstance(variables := source.get("variables"), Mapping):
        return {**source, "variables": {name: _text(value) for name, value in variables.items()}}, None
    return source, None


async def _local_file(source: Mapping[str, Any], wrong: list[str]) -> tuple[Any, LocalFile | None]:
    wrong += [f"source.{name}: no such field" for name in source if name not in {"kind", "path"}]
    path = source.get("path")
    if not isinstance(path, str | Path):
        wrong.append("source.path is missing" if path is None else "source.path: write a text")
        return _STAND_INS["source"], None
    try:
        file = await read_file(Path(path))
    except BadInputError as error:
        wrong.append(str(error))
        return _STAND_INS["source"], None
    return file.source, file


def _field_problems(agreement: AgreementInput, file: LocalFile) -> list[str]:
    pages = file.facts.pages
    if agreement.fields or not pages:
        return list(misplaced(agreement.fields, pages))
    try:
        default_fields(len(agreement.signers), pages[0])
    except UnusableFileError as error:
        return [str(error)]
    return []


def _reference(reference: Any, wrong: list[str]) -> str:
    try:
        return check_reference(str(reference))
    except InvalidReferenceError as error:
        wrong.append(str(error))
        return new_reference()


def _text(value: Any) -> Any:
    """Convert numbers and dates, which YAML parses, to the text for a document."""
    is_plain = isinstance(value, int | float | date) and not isinstance(value, bool)
    return str(value) if is_plain else value


def read_signer(place: str, text: str) -> Signer:
    """Parse a signer of the form `Name <address>`.

    Args:
        place: The name of the flag or field, for the message.
        text: The text to parse.

    Raises:
        BadInputError: The text has another form, or the address is invalid.
    """
    try:
        return Signer.model_validate(_person(text))
    except ValidationError:
        raise BadInputError(
            f"{place}: write 'Name <address>', such as 'Ada Example <ada@example.com>'"
        ) from None


def _person(person: Any) -> Any:
    """Parse `Name <address>` or `role=Name <address>`; return anything else unchanged."""
    if not isinstance(person, str) or (found := _PERSON.fullmatch(person.strip())) is None:
        return person
    parts = {part: text.strip() for part, text in found.groupdict().items() if text is not None}
    return parts | {"name": _unquoted(parts["name"])}


def _unquoted(name: str) -> str:
    """Parse a quoted display name of RFC 5322: `"Example, Ada"`."""
    quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if quoted else name


def _span(value: Any) -> Any:
    """Parse `3d` or `12h`; return anything else unchanged."""
    if isinstance(value, str) and (span := _SPAN.fullmatch(value.strip())):
        return int(span["count"]) * _UNITS[span["unit"]]
    return value


def _deadline(text: str, now: datetime, wrong: list[str]) -> str | datetime | None:
    if span := _SPAN.fullmatch(text.strip()):
        return now + int(span["count"]) * _UNITS[span["unit"]]
    if _BARE_NUMBER.fullmatch(text.strip()):  # pydantic would read it as a Unix time
        wrong.append(f"deadline: {MOMENT}")
        return None
    return text


def _validated(plain: Mapping[str, Any], wrong: list[str]) -> AgreementInput:
    """Validate an agreement; replace invalid fields with stand-ins to check the other fields too."""
    try:
        return AgreementInput.model_validate(plain, extra="forbid")
    except ValidationError as error:
        wrong += mistakes(error)
        faulty = {problem["loc"][0] for problem in error.errors(include_input=False)}
    if faulty & {"signers", "source"}:  # their checks depend on each other
        faulty |= {"signers", "source", "fields"}
    sound = {name: value for name, value in plain.items() if name not in faulty}
    return AgreementInput.model_validate(_STAND_INS | sound)


_STAND_INS: Final = {
    "title": "-",
    "source": {"kind": "link", "url": "https://example.com"},
    "signers": ({"name": "-", "email": "nobody@example.com"},),
}
