"""Routes of batches: start many agreements from a table, follow, pause, cancel and report them."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from countersign.agreements.batches import BATCH_NAME
from countersign.api import documentation, examples, models, problems
from countersign.api.access import batch_prefix, check_batch_owner, owner_of, within_bounds
from countersign.api.bodies import read_object, received_table
from countersign.api.encoding import encoded, etag, json_response, matches
from countersign.api.models import BATCHES
from countersign.api.problems import as_problems, in_table, invalid
from countersign.api.service import (
    LONGEST_WAIT,
    POLL_SECONDS,
    Acts,
    Reads,
    Service,
    Starts,
    first_change,
    service_of,
)
from countersign.api.tokens import TokenRecord
from countersign.client.batches import (
    REPORT_HEADER,
    BatchView,
    ReportRow,
    batch_input,
    batch_report,
    batch_status,
    cancel_batch,
    check_batch,
    check_batch_name,
    is_batch_of,
    pause_batch,
    resume_batch,
    start_batch,
)
from countersign.client.draft_errors import mistakes
from countersign.client.errors import UnreachableError
from countersign.client.tables import Mistake, UnusableTableError

router = APIRouter(tags=["batches"])

MOST_MISTAKES: Final = 10_000
"""A check stops after so many mistakes, so that a table of nothing else fits into a response."""
_LINES_AT_ONCE: Final = 500
_LOOK_SECONDS: Final = 2
"""Between two looks of a long poll: Temporal's index lags behind by a second."""
_STAND_IN: Final = {"kind": "link", "url": "https://example.com"}
"""The source of a row whose own is refused, so that its other mistakes are found."""

Batch = Annotated[str, Path(pattern=BATCH_NAME, description="The batch's name.", examples=["spring-renewal"])]
_ACCEPTED: Final[documentation.Responses] = {
    202: {
        "model": models.AcceptedBatch,
        "description": "A worker does it.",
        "headers": documentation.LOCATION,
    }
}
_VERB_PROBLEMS: Final = (problems.UNKNOWN_BATCH, problems.BATCH_ENDED, *documentation.BODY)


@router.post(
    BATCHES,
    status_code=202,
    summary="Start a batch",
    operation_id="start_batch",
    responses={
        200: {"model": models.CheckedBatch, "description": "`dry_run`: it could be started."},
        202: {
            "model": models.Batch,
            "description": "It was started, now or before. The body is the view of the batch.",
            "headers": documentation.LOCATION | documentation.RETRY_AFTER,
        },
        **documentation.errors(problems.BATCH_TAKEN, *documentation.BODY),
    },
    openapi_extra={"requestBody": examples.batch_body()},
)
async def start(
    request: Request,
    token: Starts,
    *,
    dry_run: Annotated[bool, Query(description="Check all that can be checked, and start nothing.")] = False,
) -> Response:
    """Start an agreement for each row of a table.

    The table is CSV with commas or semicolons, or JSON Lines with the body of a start in each line; in UTF-8,
    at most 32 MB. Its rows name a template or a link: a file cannot be sent along. If rows have mistakes,
    nothing is started, and the problem's `errors` has every mistake with its `line` and `column`, up to
    10,000. A `dry_run` asks the provider about each template, too.

    Repeat the request after any failure: the same table is the same batch, and starts nothing twice. Another
    table under the name is a 409. Needs the scope `start`.
    """
    service = service_of(request)
    owner = owner_of(token)

    def adapt(draft: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        return _without_files(*within_bounds(draft, token))

    async with received_table(request) as (name, table), as_problems():
        _check_name(token, name)
        request.state.batch = name
        if not dry_run and await is_batch_of(table, name, owner=owner, client=service.client):
            return _started(await _view(service, name))
        try:
            checked = await check_batch(table, ask_provider=dry_run, adapt=adapt, most=MOST_MISTAKES)
            if checked.mistakes:
                raise in_table(checked.mistakes, complete=len(checked.mistakes) < MOST_MISTAKES)
            if not checked.rows:
                raise in_table([Mistake(0, "", "it has no rows")])
            if dry_run:
                found = models.CheckedBatch(batch=name, rows=checked.rows, calls=checked.calls)
                return json_response(found.model_dump(mode="json"))
            started = await start_batch(table, name, adapt=adapt, owner=owner, client=service.client)
        except UnusableTableError as error:
            raise in_table(error.mistakes) from None
        if not started:
            return _started(await _view(service, name))
        return _started(BatchView.at_start(name, checked.rows))


def _check_name(token: TokenRecord, batch: str) -> None:
    check_batch_name(batch)
    prefix = batch_prefix(token)
    if not batch.startswith(prefix):
        raise invalid(f"batch: the token is bound to names that begin with {prefix}")


def _without_files(draft: dict[str, Any], wrong: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Refuse the files of a row: a path is one of this machine, and a key may be another caller's."""
    source = draft.get("source")
    if not isinstance(source, dict):
        return draft, wrong
    if source.get("kind") == "file":
        wrong = (*wrong, "source.path: a table over HTTP has no files; name a template or a link")
        return draft | {"source": _STAND_IN}, wrong
    if isinstance(variables := source.get("variables"), dict):
        images = [name for name, value in variables.items() if _has_image(value)]
        wrong = (*wrong, *(f"source.variables.{name}: a table over HTTP has no images" for name in images))
        kept = {name: value for name, value in variables.items() if name not in images}
        return draft | {"source": source | {"variables": kept}}, wrong
    return draft, wrong


def _has_image(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    items = value.get("items")
    return value.get("kind") == "image" or (isinstance(items, list) and any(map(_has_image, items)))


async def _view(service: Service, batch: str) -> BatchView:
    """Return the view of a batch that was started before; as at its start if no worker responds."""
    with suppress(UnreachableError):
        return await batch_status(batch, client=service.client)
    return BatchView.at_start(batch, (await batch_input(batch, client=service.client)).rows)


def _started(view: BatchView) -> Response:
    headers = {"Location": f"{BATCHES}/{view.batch}", "Retry-After": str(POLL_SECONDS)}
    return json_response(_written(view), 202, headers)


def _written(view: BatchView) -> bytes:
    shown = models.Batch(**dict(view), links=models.BatchLinks.of(view.batch, runs=view.is_running))
    return encoded(shown.model_dump(mode="json"))


@router.get(
    BATCHES + "/{batch}",
    summary="Follow a batch",
    operation_id="get_batch",
    responses={
        200: {
            "model": models.Batch,
            "description": "The body is the view of the batch.",
            "headers": documentation.ETAG,
        },
        304: {"description": "It has not changed.", "headers": documentation.ETAG},
        **documentation.errors(problems.UNKNOWN_BATCH),
    },
)
async def get(
    request: Request,
    batch: Batch,
    token: Reads,
    *,
    wait: Annotated[
        int,
        Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait until something changes (long poll)."),
    ] = 0,
    if_none_match: Annotated[str | None, Header(description="The `ETag` that you have.")] = None,
) -> Response:
    """Show how many rows are started, and how many agreements are at each stage.

    With `wait` and `If-None-Match`, the response comes as soon as the view differs from yours, or is a 304
    when the time is over. Needs the scope `read`.
    """
    service = service_of(request)
    await _check_owner(service, token, batch)
    async with as_problems():
        content = _written(await batch_status(batch, client=service.client))
        if wait and (if_none_match is None or matches(if_none_match, etag(content))):
            content = await first_change(service, _next_change(service, batch, content), content, wait)
    tag = etag(content)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return json_response(content, headers=headers)


async def _next_change(service: Service, batch: str, content: bytes) -> bytes:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if (found := _written(await batch_status(batch, client=service.client))) != content:
            return found


async def _check_owner(service: Service, token: TokenRecord, batch: str) -> None:
    async with as_problems():
        check_batch_owner(token, await batch_input(batch, client=service.client))


def _accepted(batch: str) -> Response:
    body = models.AcceptedBatch(batch=batch, links=models.BatchLinks.of(batch, runs=True))
    return json_response(body.model_dump(mode="json"), 202, {"Location": f"{BATCHES}/{batch}"})


@router.post(
    BATCHES + "/{batch}/pause",
    status_code=202,
    summary="Pause a batch",
    operation_id="pause_batch",
    responses={**_ACCEPTED, **documentation.errors(*_VERB_PROBLEMS)},
)
async def pause(request: Request, batch: Batch, token: Acts) -> Response:
    """Start no further rows until it is resumed. Needs the scope `act`.

    Agreements that were started go on.
    """
    service = service_of(request)
    await _check_owner(service, token, batch)
    await _check_empty(request)
    async with as_problems():
        await pause_batch(batch, client=service.client)
    return _accepted(batch)


@router.post(
    BATCHES + "/{batch}/resume",
    status_code=202,
    summary="Resume a batch",
    operation_id="resume_batch",
    responses={**_ACCEPTED, **documentation.errors(*_VERB_PROBLEMS)},
)
async def resume(request: Request, batch: Batch, token: Acts) -> Response:
    """Go on after a pause. Needs the scope `act`."""
    service = service_of(request)
    await _check_owner(service, token, batch)
    await _check_empty(request)
    async with as_problems():
        await resume_batch(batch, client=service.client)
    return _accepted(batch)


async def _check_empty(request: Request) -> None:
    if await read_object(request):
        raise invalid("send no body")


@router.post(
    BATCHES + "/{batch}/cancel",
    status_code=202,
    summary="Cancel a batch",
    operation_id="cancel_batch",
    responses={**_ACCEPTED, **documentation.errors(*_VERB_PROBLEMS)},
    openapi_extra={"requestBody": examples.body_of(models.BatchCancellation, {"void": False})},
)
async def cancel(request: Request, batch: Batch, token: Acts) -> Response:
    """Start no further rows; void the agreements that were started, or leave them.

    A batch whose rows are all started has ended, and is a 409: void its agreements one by one. Needs the
    scope `act`.
    """
    service = service_of(request)
    await _check_owner(service, token, batch)
    try:
        wanted = models.BatchCancellation.model_validate(await read_object(request))
    except ValidationError as error:
        raise invalid(*mistakes(error)) from None
    async with as_problems():
        await cancel_batch(batch, void=wanted.void, client=service.client)
    return _accepted(batch)


@router.get(
    BATCHES + "/{batch}/report",
    summary="Get the report of a batch",
    operation_id="get_batch_report",
    response_class=Response,
    responses={
        200: {
            "description": "A line for every row that was started or refused.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        **documentation.errors(problems.UNKNOWN_BATCH),
    },
)
async def report(request: Request, batch: Batch, token: Reads) -> Response:
    """Download what became of every row, as CSV: its stage, how it ended, or why it was refused.

    The response is streamed. It names no people. Needs the scope `read`.
    """
    service = service_of(request)
    await _check_owner(service, token, batch)
    parts = _csv(batch_report(batch, client=service.client))
    async with as_problems():
        first = await anext(parts)

    async def lines() -> AsyncIterator[str]:
        yield first
        async for part in parts:
            yield part

    headers = {"Content-Disposition": f'attachment; filename="{batch}.csv"'}
    return StreamingResponse(lines(), headers=headers, media_type="text/csv")


async def _csv(rows: AsyncIterator[ReportRow]) -> AsyncIterator[str]:
    """Yield a table in parts; the first one needs an answer of Temporal, which may be an error."""
    part = io.StringIO()
    write = csv.writer(part, lineterminator="\n").writerow
    write(REPORT_HEADER)
    count = 0
    async for row in rows:
        write(row.cells())
        count += 1
        if count % _LINES_AT_ONCE == 0:
            yield part.getvalue()
            part.seek(0)
            part.truncate()
    yield part.getvalue()
