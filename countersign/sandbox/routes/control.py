"""`/_sandbox/…`: what a test or a curious person may do that the real service has no endpoint for."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countersign.sandbox import documents, errors, mail, reminders, seeds, signing
from countersign.sandbox import sandbox as sandboxes
from countersign.sandbox.behaviour import Behaviour
from countersign.sandbox.bodies import json_object
from countersign.sandbox.faults import Script
from countersign.sandbox.openapi import describe
from countersign.sandbox.replies import reply
from countersign.sandbox.sandbox import Sandbox
from countersign.sandbox.store import Row
from countersign.sandbox.validation import Body, check, path_id

_STEPS: Final = 500


class Complete(Body):
    """How the last signature of a document ends."""

    model_config = ConfigDict(extra="forbid")

    finalization: Annotated[str, Field(pattern="^(ok|fails)$")] = "ok"


class Sign(Body):
    """What a signer enters, by the field's number."""

    model_config = ConfigDict(extra="forbid")

    entries: dict[str, str | bool] | None = None


class NewKey(Body):
    """Another administrator's key."""

    model_config = ConfigDict(extra="forbid")

    api_key: Annotated[str, Field(pattern="^TDX-test-[!-~]{1,100}$")]


class Finalize(Body):
    """Whether finalising later fires `completed`."""

    model_config = ConfigDict(extra="forbid")

    announce: bool = True


class Advance(Body):
    """How far to move the clock; the parts add up."""

    model_config = ConfigDict(extra="forbid", strict=False)

    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    hours: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0

    @model_validator(mode="after")
    def _within_reason(self) -> "Advance":
        if self.seconds + self.hours * 3600 + self.days * 86400 > 10 * 366 * 86400:
            raise ValueError("must not exceed ten years")
        return self


async def list_documents(request: Request) -> Response:
    """List documents with titles and recipients; `?title=` finds those whose title holds it."""
    sandbox, wanted = sandboxes.of(request), request.query_params.get("title", "")
    rows = sandbox.store.rows("SELECT * FROM documents ORDER BY seq")
    return reply({"documents": [_shown(sandbox, row) for row in rows if wanted in row["name"]]})


async def get_document(request: Request) -> Response:
    """Show one document."""
    sandbox = sandboxes.of(request)
    return reply(_shown(sandbox, documents.find(sandbox, path_id(request.path_params["id"]))))


async def complete(request: Request) -> Response:
    """Sign for everybody who has not, in their order."""
    sandbox, document_id = sandboxes.of(request), path_id(request.path_params["id"])
    asked = check(Complete, await json_object(request), errors.invalid)
    documents.find(sandbox, document_id)
    with sandbox.store.transaction():
        sandbox.store.update("documents", document_id, finalization_fails=asked.finalization == "fails")
        signing.sign_all(sandbox, document_id)
    return await get_document(request)


async def finalize(request: Request) -> Response:
    """Finalise a document whose finalisation had failed."""
    sandbox, document_id = sandboxes.of(request), path_id(request.path_params["id"])
    asked = check(Finalize, await json_object(request), errors.invalid)
    signing.finalize(sandbox, document_id, announce=asked.announce)
    return await get_document(request)


async def sign(request: Request) -> Response:
    """Sign as one recipient."""
    sandbox, asked = sandboxes.of(request), check(Sign, await json_object(request), errors.invalid)
    signing.sign(sandbox, *_ids(request), entries=asked.entries)
    return await get_document(request)


async def view(request: Request) -> Response:
    """Open the document as one recipient."""
    signing.view(sandboxes.of(request), *_ids(request))
    return await get_document(request)


async def ledger(request: Request) -> Response:
    """Show what was really committed; `?kind=` and `?subject=` narrow it down."""
    query = request.query_params
    entries = sandboxes.of(request).ledger.entries(kind=query.get("kind"), subject=query.get("subject"))
    return reply({"entries": entries})


async def emails(request: Request) -> Response:
    """Show the e-mails, newest first, with their signing links; `?to=` and `?document=` narrow it down."""
    query = request.query_params
    rows = mail.listing(sandboxes.of(request), query.get("to"), query.get("document"))
    return reply({"emails": [mail.shown(row, str(request.base_url)) for row in rows]})


async def clock(request: Request) -> Response:
    """Tell the time."""
    sandbox = sandboxes.of(request)
    return reply({"now": sandbox.clock.stamp(), "advanced_seconds": sandbox.clock.advanced.total_seconds()})


async def advance(request: Request) -> Response:
    """Move the clock forward, doing on the way what falls due."""
    sandbox, asked = sandboxes.of(request), check(Advance, await json_object(request), errors.invalid)
    whole = timedelta(seconds=asked.seconds, hours=asked.hours, days=asked.days)
    step = max(timedelta(hours=1), whole / _STEPS)
    while whole > timedelta():
        sandbox.clock.advance(min(step, whole))
        reminders.sweep(sandbox)
        whole -= step
    sandbox.wake()
    return await clock(request)


async def behaviour(request: Request) -> Response:
    """Show the switches."""
    return reply(sandboxes.of(request).behaviour.model_dump(mode="json"))


async def change_behaviour(request: Request) -> Response:
    """Change some switches."""
    sandbox = sandboxes.of(request)
    wanted = sandbox.behaviour.model_dump(mode="json") | await json_object(request)
    sandbox.change_behaviour(check(Behaviour, wanted, errors.invalid))
    return await behaviour(request)


async def faults(request: Request) -> Response:
    """Show the faults that are set, and how often each has happened."""
    return reply(sandboxes.of(request).faults.script.model_dump(mode="json"))


async def set_faults(request: Request) -> Response:
    """Replace the faults."""
    script = check(Script, await json_object(request), errors.invalid)
    sandboxes.of(request).faults.set(script)
    return await faults(request)


async def clear_faults(request: Request) -> Response:
    """Let everything go right again."""
    sandboxes.of(request).faults.set(Script())
    return await faults(request)


async def reset(request: Request) -> Response:
    """Forget all there is, and every switch; templates are seeded anew."""
    sandbox = sandboxes.of(request)
    with sandbox.store.transaction():
        sandbox.store.clear()
        sandbox.clock.reset()
        sandbox.faults.set(Script())
        sandbox.change_behaviour(Behaviour())
        seeds.seed(sandbox)
    return reply({"reset": True})


async def change_access(request: Request) -> Response:
    """Issue another API key, as an administrator would in the dashboard; the old one is refused at once."""
    sandbox = sandboxes.of(request)
    asked = check(NewKey, await json_object(request), errors.invalid)
    sandbox.access = replace(sandbox.access, api_key=asked.api_key)
    return reply({"changed": True})


async def openapi(request: Request) -> Response:
    """Describe the emulated API."""
    return reply(describe(request.app.routes))


async def health(_request: Request) -> Response:
    """Answer that it is there."""
    return reply({"status": "ok"})


def _ids(request: Request) -> tuple[str, str]:
    return path_id(request.path_params["id"]), path_id(request.path_params["recipient"], "recipientId")


def _shown(sandbox: Sandbox, document: Row) -> dict[str, Any]:
    keys = ("id", "name", "status", "created_on", "sent_on", "expires_at", "completed_at", "document_hash")
    people = documents.recipients(sandbox, document["id"])
    return {key: document[key] for key in keys} | {
        "recipients": [
            {
                key: each[key]
                for key in ("id", "name", "email", "status", "signing_order", "viewed_on", "signed_on")
            }
            for each in people
        ]
    }


def _route(path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
    return Route(f"/_sandbox{path}", endpoint, methods=[method])


ROUTES = [
    _route("/health", health),
    _route("/openapi.json", openapi),
    _route("/documents", list_documents),
    _route("/documents/{id}", get_document),
    _route("/documents/{id}/complete", complete, "POST"),
    _route("/documents/{id}/finalize", finalize, "POST"),
    _route("/documents/{id}/recipients/{recipient}/sign", sign, "POST"),
    _route("/documents/{id}/recipients/{recipient}/view", view, "POST"),
    _route("/ledger", ledger),
    _route("/emails", emails),
    _route("/clock", clock),
    _route("/clock", advance, "POST"),
    _route("/behaviour", behaviour),
    _route("/behaviour", change_behaviour, "PATCH"),
    _route("/faults", faults),
    _route("/faults", set_faults, "PUT"),
    _route("/faults", clear_faults, "DELETE"),
    _route("/access", change_access, "PUT"),
    _route("/reset", reset, "POST"),
]
