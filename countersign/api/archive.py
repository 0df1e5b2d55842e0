"""Routes of the archive: the signed document and its evidence, streamed from the store, also in ranges."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response, StreamingResponse

from countersign.api import documentation, problems
from countersign.api.agreements import Reference
from countersign.api.encoding import matches
from countersign.api.models import BASE
from countersign.api.problems import ProblemError
from countersign.api.service import Reads, ReadsPeople, check_tenant, service_of
from countersign.api.tokens import TokenRecord
from countersign.storage import StorageError
from countersign.storage.store import StoreKeys

router = APIRouter(tags=["archive"])

_RANGE: Final = re.compile(r"bytes=(?P<start>\d{0,18})-(?P<end>\d{0,18})")


@dataclass(frozen=True, slots=True)
class Conditions:
    """The headers that say which part of a file is wanted, and when."""

    range: str | None
    if_range: str | None
    if_none_match: str | None


def _conditions(
    *,
    range: Annotated[  # noqa: A002  # the header's name
        str | None, Header(description="One range of bytes.", examples=["bytes=0-"])
    ] = None,
    if_range: Annotated[str | None, Header(description="The `ETag` for which the range holds.")] = None,
    if_none_match: Annotated[str | None, Header(description="The `ETag` that you have.")] = None,
) -> Conditions:
    return Conditions(range, if_range, if_none_match)


Wanted = Annotated[Conditions, Depends(_conditions)]


def _documented(media_type: str) -> dict[int | str, dict[str, Any]]:
    schema: dict[str, Any] = {"type": "string", "contentMediaType": media_type}
    content = {media_type: {"schema": {} if media_type == "application/json" else schema}}
    ranges = documentation.ETAG | {
        "Accept-Ranges": {"description": "Range requests work.", "schema": {"type": "string"}}
    }
    return {
        200: {"description": "The file.", "content": content, "headers": ranges},
        206: {"description": "The range.", "content": {media_type: {"schema": {}}}, "headers": ranges},
        304: {"description": "You have it."},
        **documentation.errors(problems.UNKNOWN, problems.NOT_ARCHIVED, problems.NO_RANGE),
    }


@router.get(
    BASE + "/{reference}/signed.pdf",
    summary="Get the signed document",
    operation_id="get_signed_document",
    response_class=Response,
    responses=_documented("application/pdf"),
)
async def signed_document(
    request: Request,
    reference: Reference,
    token: ReadsPeople,
    wanted: Wanted,
) -> Response:
    """Download the signed PDF, once the agreement is `completed`. Needs the scope `read:people`."""
    return await _file(request, token, reference, wanted, _Kind(StoreKeys.signed_document, "application/pdf"))


@router.get(
    BASE + "/{reference}/audit-trail",
    summary="Get the audit trail",
    operation_id="get_audit_trail",
    response_class=Response,
    responses=_documented("application/json"),
)
async def audit_trail(
    request: Request,
    reference: Reference,
    token: ReadsPeople,
    wanted: Wanted,
) -> Response:
    """Download the provider's record of who did what and when. Needs the scope `read:people`."""
    return await _file(request, token, reference, wanted, _Kind(StoreKeys.audit_trail, "application/json"))


@router.get(
    BASE + "/{reference}/timeline",
    summary="Get the timeline",
    operation_id="get_timeline",
    response_class=Response,
    responses=_documented("application/json"),
)
async def timeline(
    request: Request,
    reference: Reference,
    token: Reads,
    wanted: Wanted,
) -> Response:
    """Download the workflow's own record of events and steps, without names. Needs the scope `read`."""
    return await _file(request, token, reference, wanted, _Kind(StoreKeys.timeline, "application/json"))


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of file: its key in the store, and its media type."""

    name: Callable[[StoreKeys, str], str]
    media_type: str


async def _file(
    request: Request,
    token: TokenRecord,
    reference: str,
    wanted: Conditions,
    kind: _Kind,
) -> Response:
    """Return a file of the archive. The store alone is asked, unless the token is bound to an account."""
    service = service_of(request)
    await check_tenant(service, token, reference)
    key = kind.name(service.keys, reference)
    try:
        size = await service.store.size(key)
    except StorageError:
        raise ProblemError(problems.UNAVAILABLE, "the store does not respond") from None
    if size is None:
        raise ProblemError(problems.NOT_ARCHIVED)
    # A published file never changes.
    tag = f'"{hashlib.sha256(f"{key}:{size}".encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if matches(wanted.if_none_match, tag):
        return Response(status_code=304, headers=headers)
    start, end, status = 0, size, 200
    if wanted.range is not None and wanted.if_range in {None, tag} and (found := _parsed(wanted.range, size)):
        start, end = found
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    ending = key.rpartition("/")[2]
    headers["Content-Disposition"] = f'attachment; filename="{reference.lower()}-{ending}"'
    return StreamingResponse(
        service.store.stream(key, start, end), status, headers, media_type=kind.media_type
    )


def _parsed(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the byte after the last one; None if the whole file is to be sent.

    Raises:
        ProblemError: The file has no such bytes.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found["start"] or found["end"]):
        return None  # several ranges, or another unit: RFC 9110 lets a server ignore them
    if not found["start"]:
        start, end = max(0, size - int(found["end"])), size
    else:
        start = int(found["start"])
        end = min(size, int(found["end"]) + 1) if found["end"] else size
        if found["end"] and int(found["end"]) < start:
            return None
    if start >= size or start >= end:
        raise ProblemError(problems.NO_RANGE, headers={"Content-Range": f"bytes */{size}"})
    return start, end
