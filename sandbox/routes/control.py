"""`/_sandbox/…`: the control API."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import docx, errors, mail, pdf, reminders, seeds
from sandbox import sandbox as sandboxes
from sandbox.behavior import Behavior
from sandbox.bodies import json_object
from sandbox.fault_rules import Script
from sandbox.fields import FIELD_TYPES, Number, Size
from sandbox.responses import json_response
from sandbox.template_store import keep
from sandbox.validation import Body, Guid, check

_STEPS: Final = 500

Text = Annotated[str, Field(min_length=1, max_length=255)]


class NewKey(Body):
    """A new key of the administrator."""

    model_config = ConfigDict(extra="forbid")

    api_key: Annotated[str, Field(pattern="^TDX-test-[!-~]{1,100}$")]


class Advance(Body):
    """How far to move the clock: the sum of the fields."""

    model_config = ConfigDict(extra="forbid", strict=False)

    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    hours: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0

    @model_validator(mode="after")
    def _within_reason(self) -> "Advance":
        if self.seconds + self.hours * 3600 + self.days * 86400 > 10 * 366 * 86400:
            raise ValueError("must not exceed ten years")
        return self


class Role(Body):
    """A signer role; the default signer fills it if a send has no signer for it."""

    key: Text
    label: Text
    order: Annotated[int, Field(ge=1)]
    default_name: Text | None = None
    default_email: Text | None = None


class RoleField(Body):
    """A field saved for a role."""

    role: Text
    type: FIELD_TYPES
    page: Annotated[int, Field(ge=1)] = 1
    x: Number
    y: Number
    width: Size
    height: Size


class Template(Body):
    """A template to add, optionally with its id."""

    model_config = ConfigDict(extra="forbid")

    id: Guid | None = None
    name: Annotated[str, Field(min_length=1, max_length=255)]
    file_type: Literal["docx", "pdf"] = "docx"
    paragraphs: Annotated[list[Annotated[list[str], Field(min_length=2, max_length=2)]], Field(min_length=1)]
    roles: list[Role] | None = None
    fields: list[RoleField] | None = None


async def ledger(request: Request) -> Response:
    """Return the ledger, filtered by `?kind=` and `?subject=`."""
    query = request.query_params
    entries = sandboxes.of(request).ledger.entries(kind=query.get("kind"), subject=query.get("subject"))
    return json_response({"entries": entries})


async def emails(request: Request) -> Response:
    """Return e-mails with their signing links, newest first, filtered by `?to=` and `?document=`."""
    query = request.query_params
    rows = mail.listing(sandboxes.of(request), query.get("to"), query.get("document"))
    return json_response({"emails": [mail.shown(row, str(request.base_url)) for row in rows]})


async def clock(request: Request) -> Response:
    """Return the time."""
    sandbox = sandboxes.of(request)
    return json_response(
        {"now": sandbox.clock.stamp(), "advanced_seconds": sandbox.clock.advanced.total_seconds()}
    )


async def advance(request: Request) -> Response:
    """Move the clock forward and do what falls due."""
    sandbox, asked = sandboxes.of(request), check(Advance, await json_object(request), errors.invalid)
    whole = timedelta(seconds=asked.seconds, hours=asked.hours, days=asked.days)
    step = max(timedelta(hours=1), whole / _STEPS)
    while whole > timedelta():
        sandbox.clock.advance(min(step, whole))
        reminders.sweep(sandbox)
        whole -= step
    sandbox.wake()
    return await clock(request)


async def show_behavior(request: Request) -> Response:
    """Return the switches."""
    return json_response(sandboxes.of(request).behavior.model_dump(mode="json"))


async def change_behavior(request: Request) -> Response:
    """Change some switches."""
    sandbox = sandboxes.of(request)
    wanted = sandbox.behavior.model_dump(mode="json") | await json_object(request)
    sandbox.change_behavior(check(Behavior, wanted, errors.invalid))
    return await show_behavior(request)


async def faults(request: Request) -> Response:
    """Return the faults with their hits."""
    return json_response(sandboxes.of(request).faults.script.model_dump(mode="json"))


async def set_faults(request: Request) -> Response:
    """Replace the faults."""
    script = check(Script, await json_object(request), errors.invalid)
    sandboxes.of(request).faults.set(script)
    return await faults(request)


async def clear_faults(request: Request) -> Response:
    """Delete all faults."""
    sandboxes.of(request).faults.set(Script())
    return await faults(request)


async def reset(request: Request) -> Response:
    """Delete everything, switches and faults too, and add the initial templates."""
    sandbox = sandboxes.of(request)
    with sandbox.store.transaction():
        sandbox.store.clear()
        sandbox.clock.reset()
        sandbox.access = request.app.state.access
        sandbox.faults.set(Script())
        sandbox.change_behavior(Behavior())
        seeds.seed(sandbox)
    return json_response({"reset": True})


async def change_access(request: Request) -> Response:
    """Replace the administrator's API key; the old one is rejected at once."""
    sandbox = sandboxes.of(request)
    asked = check(NewKey, await json_object(request), errors.invalid)
    sandbox.access = replace(sandbox.access, api_key=asked.api_key)
    return json_response({"changed": True})


async def put_template(request: Request) -> Response:
    """Add a template of paragraphs, which are pairs of style and text."""
    sandbox, asked = sandboxes.of(request), check(Template, await json_object(request), errors.invalid)
    paragraphs = [(style, text) for style, text in asked.paragraphs]
    is_pdf = asked.file_type == "pdf"
    row = keep(
        sandbox,
        template_id=asked.id,
        name=asked.name,
        file_type=asked.file_type,
        content=pdf.render(asked.name, paragraphs) if is_pdf else docx.write(paragraphs),
        paragraphs=paragraphs,
        roles=[role.model_dump(by_alias=True, exclude_none=True) for role in asked.roles or []],
        fields=[field.model_dump(by_alias=True) for field in asked.fields or []],
    )
    return json_response({"id": row["id"], "variables": row["variables"]})


async def health(_request: Request) -> Response:
    """Return 200."""
    return json_response({"status": "ok"})


def _route(path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
    return Route(f"/_sandbox{path}", endpoint, methods=[method])


ROUTES = [
    _route("/health", health),
    _route("/ledger", ledger),
    _route("/emails", emails),
    _route("/clock", clock),
    _route("/clock", advance, "POST"),
    _route("/behaviour", show_behavior),
    _route("/behaviour", change_behavior, "PATCH"),
    _route("/faults", faults),
    _route("/faults", set_faults, "PUT"),
    _route("/faults", clear_faults, "DELETE"),
    _route("/access", change_access, "PUT"),
    _route("/templates", put_template, "POST"),
    _route("/reset", reset, "POST"),
]
