"""Conversion of drafts, from a mapping, a YAML or JSON file or flags, to `AgreementInput`.

A draft is `AgreementInput` as JSON with these shorthands: a person is `Ada Example <ada@example.com>`, or
`client=Ada Example <ada@example.com>` with a role; a deadline is `14d` or `36h`; a file or an image is its
`path` on this machine, or its `file_name` and its `content` in bytes; a missing reference is generated;
`callback_secret` is the secret that signs the callbacks, which goes to the store.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from countersign.agreements.messages import AgreementInput, FileSource, Image, Signer
from countersign.agreements.reference import InvalidReferenceError, check_reference, new_reference
from countersign.agreements.validation import problems
from countersign.callbacks.signing import read_secrets
from countersign.client.draft_errors import MOMENT, mistakes
from countersign.client.errors import BadInputError
from countersign.client.files import LocalFile, read_file, read_image
from countersign.documents import FileFacts, UnusableFileError, default_fields, misplaced
from countersign.observability.redaction import protect

_SPAN: Final = re.compile(r"(?P<count>\d{1,6})(?P<unit>[dh])")
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_JSON_SCALAR: Final = re.compile(r"true|false|-?(0|[1-9]\d{0,14})(\.\d{1,14})?", re.ASCII)
_BARE_NUMBER: Final = re.compile(r"[-+]?\d+(\.\d*)?")
_PERSON: Final = re.compile(
    r"(?:(?P<role>[^<>=\"]+)=)?\s*(?P<name>\"(?:[^\"\\\\]|\\\\.)+\"|[^<>]+)\s*<(?P<email>[^<>]+)>"
)


class Unquoted(str):
    """A text that an agreement file has without quotes: maybe a number in a variable of the kind `json`."""

    __slots__ = ()


async def check_draft(
    draft: AgreementInput | Mapping[str, Any],
) -> tuple[AgreementInput, tuple[LocalFile, ...]]:
    """Convert a draft to an agreement and run all checks that need no provider.

    Returns:
        The agreement, and the local files that it needs in the store.

    Raises:
        BadInputError: The draft is invalid; the message lists all problems.
    """
    now = datetime.now(UTC)
    wrong: list[str] = []
    files: list[LocalFile] = []
    if isinstance(draft, AgreementInput):
        agreement = draft
    else:
        agreement = _validated(await _plain(draft, now, files, wrong), wrong)
        if isinstance(agreement.source, FileSource):
            for file in files:
                if file.key == agreement.source.key:
                    wrong += _field_problems(agreement, file)
    if wrong := [*wrong, *problems(agreement, now)]:
        raise BadInputError("; ".join(wrong), wrong)
    return agreement, tuple(files)


async def _plain(
    draft: Mapping[str, Any], now: datetime, files: list[LocalFile], wrong: list[str]
) -> dict[str, Any]:
    """Expand a draft's shorthands; append its local files to `files` and its problems to `wrong`."""
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
    plain["source"] = await _source(draft.get("source"), files, wrong)
    if isinstance(metadata := draft.get("metadata"), Mapping):
        plain["metadata"] = _texts(metadata)
    if (secret := plain.pop("callback_secret", None)) is not None:
        plain["callback_secret_key"] = _callback_secret(secret, files, wrong)
    return {name: value for name, value in plain.items() if value is not None}


async def _source(source: Any, files: list[LocalFile], wrong: list[str]) -> Any:
    """Read the files of a source with paths; convert values of variables to text."""
    if not isinstance(source, Mapping):
        return source
    if source.get("kind") == "file" and "key" not in source:
        file = await _local_file("source", source, read_file, wrong)
        if file is None:
            return _STAND_INS["source"]
        files.append(file)
        return FileSource(key=file.key, file_name=file.name, sha256=file.sha256)
    if isinstance(variables := source.get("variables"), Mapping):
        expanded = {
            name: await _variable(f"source.variables.{name}", value, files, wrong)
            for name, value in variables.items()
        }
        return {**source, "variables": expanded}
    return source


async def _variable(place: str, value: Any, files: list[LocalFile], wrong: list[str]) -> Any:
    """Read the images in the value of a variable; convert numbers and dates to text, except in JSON."""
    if not isinstance(value, Mapping):
        return _text(value)
    kind = value.get("kind")
    if kind == "json":
        return {name: _json(item) if name == "value" else item for name, item in value.items()}
    if kind == "image" and "key" not in value:
        file = await _local_file(place, value, read_image, wrong)
        if file is None:
            return ""
        files.append(file)
        return Image(key=file.key, sha256=file.sha256)
    if kind == "list" and isinstance(items := value.get("items"), list | tuple):
        expanded = [
            await _variable(f"{place}.items.{number}", item, files, wrong)
            for number, item in enumerate(items, 1)
        ]
        return {**value, "items": expanded}
    return _texts(value)


def _callback_secret(secret: Any, files: list[LocalFile], wrong: list[str]) -> str | None:
    """Return the key of the file that brings the secret to the store, past Temporal's history."""
    text = str(secret)
    try:
        read_secrets(text)
    except ValueError as error:
        wrong.append(f"callback_secret: {error}")
        return None
    protect(*text.split(","))
    file = LocalFile("callback.secret", hashlib.sha256(text.encode()).hexdigest(), FileFacts(), text.encode())
    files.append(file)
    return file.key


def _texts(value: Any) -> Any:
    """Convert the numbers and dates in lists and mappings to text."""
    if isinstance(value, Mapping):
        return {name: _texts(item) for name, item in value.items()}
    return [_texts(item) for item in value] if isinstance(value, list | tuple) else _text(value)


def _json(value: Any) -> Any:
    """Read numbers, `true` and `false` that a file has without quotes."""
    if isinstance(value, Mapping):
        return {name: _json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, Unquoted):
        return json.loads(value) if _JSON_SCALAR.fullmatch(value) else str(value)
    return value


async def _local_file(
    place: str,
    source: Mapping[str, Any],
    read: Callable[..., Awaitable[LocalFile]],
    wrong: list[str],
) -> LocalFile | None:
    given = {"file_name", "content"} if "content" in source else {"path"}
    wrong += [f"{place}.{name}: no such field" for name in source if name not in {"kind", *given}]
    path, content = source.get("path"), source.get("content")
    if "content" in source:
        path = source.get("file_name")
        if not isinstance(path, str) or not path:
            wrong.append(f"{place}.file_name is missing")
            return None
        if not isinstance(content, bytes):
            wrong.append(f"{place}.content: give the file's bytes")
            return None
    if not isinstance(path, str | Path):
        wrong.append(f"{place}.path is missing" if path is None else f"{place}.path: write a text")
        return None
    try:
        return await read(Path(path), content)
    except BadInputError as error:
        wrong.append(str(error))
        return None


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
        faulty = {problem["loc"][0] for problem in error.errors(include_input=False) if problem["loc"]}
    if faulty & {"signers", "source"}:  # their checks depend on each other
        faulty |= {"signers", "source", "fields"}
    sound = {name: value for name, value in plain.items() if name not in faulty}
    try:
        return AgreementInput.model_validate(_STAND_INS | sound)
    except ValidationError:  # it is wrong as a whole
        raise BadInputError("; ".join(wrong), wrong) from None


_STAND_INS: Final = {
    "title": "-",
    "source": {"kind": "link", "url": "https://example.com"},
    "signers": ({"name": "-", "email": "nobody@example.com"},),
}
