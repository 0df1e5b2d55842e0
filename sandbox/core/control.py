"""`/_sandbox/…`: the control API."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core import deliveries, errors, mail
from sandbox.core.bodies import json_object
from sandbox.core.fault_rules import Script
from sandbox.core.provider import Provider
from sandbox.core.receivers import is_allowed
from sandbox.core.responses import json_response
from sandbox.core.store import Row
from sandbox.core.validation import Body, check

_STEPS: Final = 500


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


class Complete(Body):
    """Result of the finalization after the last signature."""

    model_config = ConfigDict(extra="forbid")

    finalization: Annotated[str, Field(pattern="^(ok|fails)$")] = "ok"


class Finalize(Body):
    """Whether a later finalization emits `completed`."""

    model_config = ConfigDict(extra="forbid")

    announce: bool = True


class Sign(Body):
    """A signer's entries by field number."""

    model_config = ConfigDict(extra="forbid")

    entries: dict[str, str | bool] | None = None


class Decline(Body):
    """Why a signer declines."""

    model_config = ConfigDict(extra="forbid")

    reason: str = "No reason."


class Subscription(Body):
    """A webhook subscription; without a secret it gets a new one, without events all."""

    model_config = ConfigDict(extra="forbid")

    url: str
    secret: str | None = None
    events: list[str] | None = None
    name: str = "sandbox"


async def ledger(request: Request) -> Response:
    """Return the ledger, filtered by `?kind=` and `?subject=`."""
    query = request.query_params
    entries = _of(request).sandbox.ledger.entries(kind=query.get("kind"), subject=query.get("subject"))
    return json_response({"entries": entries})


async def emails(request: Request) -> Response:
    """Return e-mails with their signing links, newest first, filtered by `?to=` and `?document=`."""
    query = request.query_params
    shown = mail.listing(_of(request), str(request.base_url), query.get("to"), query.get("document"))
    return json_response({"emails": shown})


async def clock(request: Request) -> Response:
    """Return the time."""
    sandbox = _of(request).sandbox
    return json_response(
        {"now": sandbox.clock.stamp(), "advanced_seconds": sandbox.clock.advanced.total_seconds()}
    )


async def advance(request: Request) -> Response:
    """Move the clock forward and do what falls due."""
    provider, asked = _of(request), check(Advance, await json_object(request), errors.invalid)
    whole = timedelta(seconds=asked.seconds, hours=asked.hours, days=asked.days)
    step = max(timedelta(hours=1), whole / _STEPS)
    while whole > timedelta():
        provider.sandbox.clock.advance(min(step, whole))
        provider.sweep()
        whole -= step
    provider.sandbox.wake()
    return await clock(request)


async def show_behavior(request: Request) -> Response:
    """Return the switches."""
    return json_response(_of(request).sandbox.behavior.model_dump(mode="json"))


async def change_behavior(request: Request) -> Response:
    """Change some switches."""
    sandbox = _of(request).sandbox
    wanted = sandbox.behavior.model_dump(mode="json") | await json_object(request)
    sandbox.change_behavior(check(type(sandbox.behavior), wanted, errors.invalid))
    return await show_behavior(request)


async def faults(request: Request) -> Response:
    """Return the faults with their hits."""
    return json_response(_of(request).sandbox.faults.script.model_dump(mode="json"))


async def set_faults(request: Request) -> Response:
    """Replace the faults."""
    script = check(Script, await json_object(request), errors.invalid)
    _of(request).sandbox.faults.set(script)
    return await faults(request)


async def clear_faults(request: Request) -> Response:
    """Delete all faults."""
    _of(request).sandbox.faults.set(Script())
    return await faults(request)


async def reset(request: Request) -> Response:
    """Delete everything, switches and faults too, and add the initial data."""
    provider = _of(request)
    sandbox = provider.sandbox
    with sandbox.store.transaction():
        sandbox.store.clear()
        sandbox.clock.reset()
        sandbox.faults.set(Script())
        provider.reset()
        provider.seed()
    return json_response({"reset": True})


async def change_access(request: Request) -> Response:
    """Replace the API key; the old one is rejected at once."""
    _of(request).change_access(await json_object(request))
    return json_response({"changed": True})


async def list_documents(request: Request) -> Response:
    """List documents with titles and recipients, filtered by `?title=`."""
    title = request.query_params.get("title", "")
    return json_response({"documents": _of(request).people.documents(title)})


async def make_document(request: Request) -> Response:
    """Create and send a document as another member."""
    return json_response(_of(request).people.make(await json_object(request)))


async def get_document(request: Request) -> Response:
    """Return one document."""
    return json_response(_of(request).people.document(request.path_params["id"]))


async def complete(request: Request) -> Response:
    """Sign for all remaining signers, in their order."""
    _of(request).people.complete(request.path_params["id"], await json_object(request))
    return await get_document(request)


async def finalize(request: Request) -> Response:
    """Finalize a document whose finalization has failed."""
    _of(request).people.finalize(request.path_params["id"], await json_object(request))
    return await get_document(request)


async def sign(request: Request) -> Response:
    """Sign as one recipient."""
    asked = check(Sign, await json_object(request), errors.invalid)
    _of(request).people.sign(*_ids(request), asked.entries)
    return await get_document(request)


async def view(request: Request) -> Response:
    """Open the document as one recipient."""
    _of(request).people.view(*_ids(request))
    return await get_document(request)


async def decline(request: Request) -> Response:
    """Decline as one recipient."""
    asked = check(Decline, await json_object(request), errors.invalid)
    _of(request).people.decline(*_ids(request), asked.reason)
    return await get_document(request)


async def list_webhooks(request: Request) -> Response:
    """List the webhook subscriptions."""
    rows = _of(request).sandbox.store.rows("SELECT * FROM webhooks WHERE NOT is_deleted ORDER BY seq")
    return json_response({"webhooks": [_webhook(row) for row in rows]})


async def add_webhook(request: Request) -> Response:
    """Add a webhook subscription."""
    provider, asked = _of(request), check(Subscription, await json_object(request), errors.invalid)
    if not is_allowed(provider.sandbox.behavior.http_receivers, asked.url):
        raise errors.invalid([("url", '"url" must be a valid HTTPS URL')])
    events = provider.events if asked.events is None else asked.events
    if unknown := [event for event in events if event not in provider.events]:
        raise errors.invalid([("events", f'"events" has the unknown "{unknown[0]}"')])
    secret = provider.new_secret() if asked.secret is None else asked.secret
    row = deliveries.subscribe(
        provider.sandbox, name=asked.name, urls=[asked.url], events=events, secret=secret
    )
    return json_response(_webhook(row))


async def delete_webhook(request: Request) -> Response:
    """Delete a webhook subscription."""
    sandbox = _of(request).sandbox
    deliveries.unsubscribe(sandbox, _found(sandbox.store.find("webhooks", request.path_params["id"]))["id"])
    return json_response({"deleted": True})


async def list_deliveries(request: Request) -> Response:
    """List webhook deliveries, newest first, filtered by `?event=` and `?document=`."""
    query = request.query_params
    rows = deliveries.log(_of(request).sandbox, query.get("event"), query.get("document"))
    return json_response({"deliveries": rows})


async def replay(request: Request) -> Response:
    """Repeat a delivery."""
    sandbox = _of(request).sandbox
    row = _found(sandbox.store.find("deliveries", request.path_params["id"]))
    return json_response({"id": deliveries.replay(sandbox, row)})


async def health(_request: Request) -> Response:
    """Return 200."""
    return json_response({"status": "ok"})


def _of(request: Request) -> Provider:
    provider: Provider = request.app.state.provider
    return provider


def _ids(request: Request) -> tuple[str, str]:
    return request.path_params["id"], request.path_params["recipient"]


def _found(row: Row | None) -> Row:
    if row is None:
        raise errors.typed(404, "Not found", "NotFound")
    return row


def _webhook(row: Row) -> dict[str, Any]:
    return {key: row[key] for key in ("id", "name", "urls", "events", "secret")}


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
    _route("/reset", reset, "POST"),
    _route("/documents", list_documents),
    _route("/documents", make_document, "POST"),
    _route("/documents/{id}", get_document),
    _route("/documents/{id}/complete", complete, "POST"),
    _route("/documents/{id}/finalize", finalize, "POST"),
    _route("/documents/{id}/recipients/{recipient}/sign", sign, "POST"),
    _route("/documents/{id}/recipients/{recipient}/view", view, "POST"),
    _route("/documents/{id}/recipients/{recipient}/decline", decline, "POST"),
    _route("/webhooks", list_webhooks),
    _route("/webhooks", add_webhook, "POST"),
    _route("/webhooks/{id}", delete_webhook, "DELETE"),
    _route("/deliveries", list_deliveries),
    _route("/deliveries/{id}/replay", replay, "POST"),
]
