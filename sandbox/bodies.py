"""Read request bodies: JSON or multipart, of limited size."""

import json
import math
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from sandbox import errors

FILE_LIMIT: Final = 10 * 1024 * 1024
"""Bytes of an upload: the provider documents "typically 10MB"."""
BODY_LIMIT: Final = FILE_LIMIT + 1024 * 1024
PART_LIMIT: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file: the name in its part, and its bytes."""

    name: str
    content: bytes


async def json_object(request: Request) -> dict[str, Any]:
    """Read a JSON object; an empty body is an empty object, because clients send none with some POSTs.

    Raises:
        ApiError: 400, it is no JSON object; 413, it is too large.
    """
    raw = await _raw(request)
    if not raw.strip():
        return {}
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise errors.invalid([("value", '"value" must be of type object')])
    return value


async def fields_and_file(request: Request, file_field: str) -> tuple[dict[str, Any], Upload | None]:
    """Read a body that may be JSON or multipart, with or without a file part.

    Raises:
        ApiError: As for `json_object`; 400, the form cannot be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        return await json_object(request), None
    await _raw(request)
    try:
        async with request.form(max_files=5, max_fields=200, max_part_size=PART_LIMIT) as form:
            return await _split(form.multi_items(), file_field)
    except (MultiPartException, ValueError):
        raise errors.invalid([("value", "the form could not be parsed")]) from None


def parse_json(raw: bytes | str) -> Any:
    """Read JSON strictly: UTF-8, finite numbers, no lone surrogates.

    Raises:
        ApiError: 400, it is invalid.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise errors.typed(400, "Unexpected token in JSON", "SyntaxError") from None
    return value


async def _raw(request: Request) -> bytes:
    """Read the whole body and store it where Starlette's form parser reads it."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > BODY_LIMIT:
                raise errors.single_step("Request body is too large", "PayloadTooLarge", status=413)
            chunks.append(chunk)
    except ClientDisconnect:
        raise errors.single_step("Client disconnected", "ClientDisconnected", status=499) from None
    request._body = b"".join(chunks)  # noqa: SLF001 - what Request.body() does, with a limit
    return request._body  # noqa: SLF001 - as above


async def _split(items: list[tuple[str, Any]], file_field: str) -> tuple[dict[str, Any], Upload | None]:
    fields: dict[str, Any] = {}
    upload = None
    for name, value in items:
        if isinstance(value, UploadFile):
            if name == file_field:
                upload = Upload(value.filename or "", await value.read())
        else:
            fields[name] = value
    return fields, upload


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
