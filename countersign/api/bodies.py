"""The body of a start: JSON, or a form of several parts with JSON and a file, or with a table."""

import asyncio
import base64
import binascii
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from countersign.api import problems
from countersign.api.problems import ProblemError, invalid
from countersign.client.files import SIZE_LIMIT
from countersign.http_server.limits import body_chunks, read_body
from countersign.webhooks.routes import NotJsonError, parse_object

LIMIT: Final = SIZE_LIMIT * 4 // 3 + 2 * 1024 * 1024
"""Bytes of a start: a file in base64 and the agreement."""
SMALL_LIMIT: Final = 64 * 1024
"""Bytes of any other body."""
TABLE_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of a table with its name: some 100,000 rows."""
AGREEMENT_PART: Final = "agreement"
FILE_PART: Final = "file"
BATCH_PART: Final = "batch"
TABLE_PART: Final = "table"
_TABLES: Final = frozenset({".csv", ".tsv", ".txt", ".jsonl", ".ndjson"})
"""How the file name of a table ends. Workbooks are left out: a small one may unpack to any size."""
_JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"
_CONTENTS: Final = {"kind", "file_name", "content"}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a form: its name and its bytes."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)


async def read_draft(request: Request) -> dict[str, Any]:
    """Read a draft of an agreement, with the bytes of its files.

    Raises:
        ProblemError: The body has another type, is no JSON, or names a file that it does not hold.
        RejectedRequestError: The body exceeds a limit.
    """
    media_type = _media_type(request, _JSON, _FORM)
    body = await read_body(request, LIMIT)
    if media_type == _FORM:
        draft, upload = await _read_form(request, body)
    else:
        draft, upload = _parsed(body), None
    wrong: list[str] = []
    if isinstance(source := draft.get("source"), dict):
        draft["source"] = _with_content(source, upload, wrong)
    elif upload is not None and source is None:
        draft["source"] = {"kind": "file", "file_name": upload.name, "content": upload.content}
    if wrong:
        raise invalid(*wrong)
    return draft


async def read_object(request: Request) -> dict[str, Any]:
    """Read a small JSON object; an empty body is an empty one.

    Raises:
        ProblemError: It is no JSON object.
        RejectedRequestError: The body exceeds a limit.
    """
    body = await read_body(request, SMALL_LIMIT)
    if not body:
        return {}
    _media_type(request, _JSON)
    return _parsed(body)


@asynccontextmanager
async def received_table(request: Request) -> AsyncIterator[tuple[str, Path]]:
    """Receive a form with a batch's name and its table, which goes to a temporary file as it comes.

    Yields:
        The name, and the file, which is gone afterwards.

    Raises:
        ProblemError: The body has another type, or its parts differ.
        RejectedRequestError: The body exceeds a limit.
    """
    _media_type(request, _FORM)
    parser = MultiPartParser(
        request.headers,
        body_chunks(request, TABLE_LIMIT),
        max_files=1,
        max_fields=1,
        max_part_size=SMALL_LIMIT,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError):
        raise _other_parts(BATCH_PART, TABLE_PART) from None
    try:
        parts = dict(form.multi_items())
        batch, table = parts.get(BATCH_PART), parts.get(TABLE_PART)
        if parts.keys() != {BATCH_PART, TABLE_PART} or not isinstance(batch, str):
            raise _other_parts(BATCH_PART, TABLE_PART)
        if not isinstance(table, UploadFile):
            raise invalid(f"{TABLE_PART}: send it as a file, with a file name")
        ending = Path(table.filename or "").suffix.lower()
        if ending not in _TABLES:
            raise invalid(f"{TABLE_PART}: name a file that ends in .csv or .jsonl")
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"table{ending}"
            await asyncio.to_thread(_copy, table.file, path)
            yield batch, path
    finally:
        await form.close()


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)


def _other_parts(*names: str) -> ProblemError:
    return ProblemError(problems.MALFORMED, f"the form must have the parts `{'` and `'.join(names)}` alone")


def _media_type(request: Request, *allowed: str) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in allowed:
        raise ProblemError(problems.MEDIA, f"use {' or '.join(allowed)}", headers={"Connection": "close"})
    return media_type


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        return parse_object(body)
    except NotJsonError:
        raise ProblemError(
            problems.MALFORMED, "the body must be one JSON object in UTF-8, without repeated names"
        ) from None


async def _read_form(request: Request, body: bytes) -> tuple[dict[str, Any], Upload | None]:
    async def stream() -> AsyncGenerator[bytes]:
        yield body

    parser = MultiPartParser(request.headers, stream(), max_files=2, max_fields=1, max_part_size=LIMIT)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError):  # KeyError: no boundary
        raise ProblemError(
            problems.MALFORMED,
            f"the form must have the part `{AGREEMENT_PART}` and at most one `{FILE_PART}`",
        ) from None
    try:
        return await _parts(form)
    finally:
        await form.close()


async def _parts(form: FormData) -> tuple[dict[str, Any], Upload | None]:
    parts = dict(form.multi_items())
    if parts.keys() - {AGREEMENT_PART, FILE_PART} or AGREEMENT_PART not in parts:
        raise _other_parts(AGREEMENT_PART, FILE_PART)
    text, file = parts[AGREEMENT_PART], parts.get(FILE_PART)
    written = await text.read() if isinstance(text, UploadFile) else text.encode(errors="surrogatepass")
    if file is None:
        return _parsed(written), None
    if not isinstance(file, UploadFile) or not file.filename:
        raise invalid(f"{FILE_PART}: send it as a file, with a file name")
    return _parsed(written), Upload(file.filename, await file.read())


def _with_content(source: Mapping[str, Any], upload: Upload | None, wrong: list[str]) -> dict[str, Any]:
    """Decode the contents of a source. A key or a path would read what is not the caller's."""
    changed = dict(source)
    if source.get("kind") == "file":
        if upload is not None:
            changed = {"file_name": upload.name, "content": upload.content} | changed
        return _decoded("source", changed, wrong)
    if upload is not None:
        wrong.append(f"source: the part `{FILE_PART}` needs the kind file")
    if isinstance(variables := source.get("variables"), dict):
        changed["variables"] = {
            name: _variable(f"source.variables.{name}", value, wrong) for name, value in variables.items()
        }
    return changed


def _variable(place: str, value: Any, wrong: list[str]) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "image":
        return _decoded(place, value, wrong)
    if value.get("kind") == "list" and isinstance(items := value.get("items"), list):
        items = [_variable(f"{place}.items.{number}", item, wrong) for number, item in enumerate(items, 1)]
        return value | {"items": items}
    return value


def _decoded(place: str, source: dict[str, Any], wrong: list[str]) -> dict[str, Any]:
    wrong += [f"{place}.{name}: no such field" for name in source if name not in _CONTENTS]
    content = source.get("content")
    if content is None:
        wrong.append(f"{place}.content is missing: send the file in base64, or as the part `{FILE_PART}`")
    elif isinstance(content, str):
        try:
            return source | {"content": base64.b64decode(content, validate=True)}
        except (binascii.Error, ValueError):
            wrong.append(f"{place}.content: is not base64")
    elif not isinstance(content, bytes):
        wrong.append(f"{place}.content: write the file in base64, as a text")
    return source
