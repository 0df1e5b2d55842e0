"""Read request bodies: JSON or forms, of limited size."""

import json
import math
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

FILE_LIMIT: Final = 10 * 1024 * 1024
"""Bytes of an upload."""
BODY_LIMIT: Final = FILE_LIMIT + 1024 * 1024
PART_LIMIT: Final = 4 * 1024 * 1024

FORMS: Final = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})


class BodyError(Exception):
    """The body cannot be read; the app answers in its provider's shape."""

    def __init__(self, reason: Literal["json", "object", "form", "size", "disconnect"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file: the name of its part, its own name and type, and its bytes."""

    field: str
    name: str
    media_type: str
    content: bytes


async def json_object(request: Request) -> dict[str, Any]:
    """Read a JSON object; an empty body is an empty object, because clients send none with some POSTs.

    Raises:
        BodyError: It is no JSON object, or too large.
    """
    raw = await _raw(request)
    if not raw.strip():
        return {}
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise BodyError("object")
    return value


def is_form(request: Request) -> bool:
    """Return whether the body is a form by its content type."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in FORMS


async def form(request: Request) -> tuple[dict[str, str], list[Upload]]:
    """Read the texts and the files of a form.

    Raises:
        BodyError: The form cannot be read, or is too large.
    """
    await _raw(request)
    try:
        async with request.form(max_files=20, max_fields=200, max_part_size=PART_LIMIT) as parts:
            return await _split(parts.multi_items())
    except (MultiPartException, ValueError):
        raise BodyError("form") from None


def parse_json(raw: bytes | str) -> Any:
    """Read JSON strictly: UTF-8, finite numbers, no lone surrogates.

    Raises:
        BodyError: It is invalid.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BodyError("json") from None
    return value


async def _raw(request: Request) -> bytes:
    """Read the whole body and store it where Starlette's form parser reads it."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > BODY_LIMIT:
                raise BodyError("size")
            chunks.append(chunk)
    except ClientDisconnect:
        raise BodyError("disconnect") from None
    request._body = b"".join(chunks)  # noqa: SLF001 - what Request.body() does, with a limit
    return request._body  # noqa: SLF001 - as above


async def _split(items: list[tuple[str, Any]]) -> tuple[dict[str, str], list[Upload]]:
    fields: dict[str, str] = {}
    uploads = []
    for name, value in items:
        if isinstance(value, UploadFile):
            content = await value.read()
            uploads.append(Upload(name, value.filename or "", value.content_type or "", content))
        else:
            fields[name] = value
    return fields, uploads


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
