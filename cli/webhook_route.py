"""`webhook route test`: what a delivery to a configured route would do."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from countersign.client.errors import BadInputError
from countersign.webhooks.adapter import ParsedDelivery, UnreadableError, WorkflowDelivery
from countersign.webhooks.configured.route_file import AgreementRoute, WorkflowRoute, read_routes
from countersign.webhooks.routes import NotJsonError, configured_adapter, parse_object

from .command import out, verb

app = typer.Typer(help="Check routes to your own workflows.", no_args_is_help=True)
_ID: Final = (b"webhook-id", b"<webhook-id>")
"""Stands for the id that a delivery has in its headers and a sample lacks."""


@app.command("test")
@verb
async def try_route(
    file: Annotated[
        Path,
        typer.Argument(help="The file of COUNTERSIGN_WEBHOOKS_ROUTES.", metavar="FILE", show_default=False),
    ],
    sample: Annotated[
        Path, typer.Argument(help="The body of a delivery, as JSON.", metavar="SAMPLE", show_default=False)
    ],
    *,
    route: Annotated[
        str | None, typer.Option("--route", help="The route; all of the file.", metavar="NAME")
    ] = None,
) -> None:
    """Print what a delivery would do. Verifies no signature and sends nothing."""
    routes = await asyncio.to_thread(read_routes, file)
    if route is not None and route not in routes:
        raise BadInputError(f"--route {route}: {file} has {', '.join(routes) or 'no route'}")
    payload = parse_sample(sample)
    for name, found in routes.items():
        if route in {None, name}:
            for line in lines(name, found, payload):
                out.print(line)


def parse_sample(sample: Path) -> dict[str, object]:
    """Read the body of a delivery as the receiver does.

    Raises:
        BadInputError: It cannot be read, or the receiver would reject it.
    """
    try:
        return parse_object(sample.read_bytes())
    except OSError as error:
        raise BadInputError(f"{sample} cannot be read: {error.strerror}") from None
    except NotJsonError:
        raise BadInputError(
            f"{sample} is not one strict JSON object: the receiver would answer 400"
        ) from None


def lines(name: str, route: AgreementRoute | WorkflowRoute, payload: dict[str, object]) -> Iterator[str]:
    """Say what a route makes of a payload."""
    try:
        read = configured_adapter(name, route).read([_ID], payload)
    except UnreadableError:
        yield f"{name}: unreadable (422): the event id or a required field is missing or no printable text"
        return
    if read is None:
        yield f"{name}: ignored (200): the route does not take this type"
    elif isinstance(read, ParsedDelivery):
        to = f"agreement {read.marker.reference}" if read.marker else "no agreement: the title has no marker"
        yield f"{name}: {read.event.kind} of document {read.event.document_id}, to {to}"
    elif read.workflow_id is None:
        yield f"{name}: not ours (200): a path of {route_id(route)} is missing, or cannot be part of an id"
    else:
        yield from _signal(name, read)


def route_id(route: AgreementRoute | WorkflowRoute) -> str:
    """Return the template of a route's workflow id; "" for a route to agreements."""
    return route.workflow if isinstance(route, WorkflowRoute) else ""


def _signal(name: str, read: WorkflowDelivery) -> Iterator[str]:
    start = f", after starting {read.start.workflow} on {read.start.task_queue}" if read.start else ""
    yield f"{name}: signals {read.signal} to {read.workflow_id}{start}"
    yield f"  id: {read.event.id}"
    yield f"  kind: {read.event.kind or '(none)'}"
    for field, value in read.event.data.items():
        yield f"  data.{field}: {json.dumps(value)}"
