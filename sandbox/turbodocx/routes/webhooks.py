"""`/api/webhooks`: subscriptions and their deliveries."""

from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core import deliveries as core
from sandbox.core.bodies import json_object
from sandbox.core.responses import json_response
from sandbox.core.store import Row
from sandbox.core.validation import Body, Guid, Query, check
from sandbox.turbodocx import delivery_log, errors, events, subscriptions
from sandbox.turbodocx import sandbox as sandboxes
from sandbox.turbodocx.auth import administrators
from sandbox.turbodocx.subscriptions import Change, NewWebhook, bad_request


class Notification(Body):
    """The body of a test or a notification."""

    event_type: str = events.EVENT_TYPES[0]
    payload: Any = None


class Replay(Body):
    """The body of a replay."""

    delivery_id: Guid


class Stats(Query):
    """The query of the statistics."""

    days: Annotated[int, Field(ge=1, le=365)] = 30


async def create(request: Request) -> Response:
    """Create a subscription; only this response has its secret."""
    asked = check(NewWebhook, await json_object(request), bad_request)
    row = subscriptions.create(sandboxes.of(request), asked)
    shown = {"id": row["id"], "secret": row["secret"]}
    return json_response({"data": shown, "message": "Webhook created successfully."})


async def get(request: Request) -> Response:
    """Return a subscription."""
    sandbox, row = sandboxes.of(request), _find(request)
    counts = delivery_log.counts(sandbox, row["id"])
    shown = subscriptions.shown(sandbox, row)
    return json_response(
        {"data": shown | {"deliveryStats": counts, "availableEvents": list(events.EVENT_TYPES)}}
    )


async def update(request: Request) -> Response:
    """Change a subscription."""
    sandbox = sandboxes.of(request)
    _find(request)
    asked = check(Change, await json_object(request), bad_request)
    row = subscriptions.change(sandbox, request.path_params["name"], asked)
    return json_response(
        {"data": subscriptions.shown(sandbox, row), "message": "Webhook updated successfully"}
    )


async def delete(request: Request) -> Response:
    """Delete a subscription with its history."""
    sandbox, row = sandboxes.of(request), _find(request)
    core.unsubscribe(sandbox, row["id"])
    return json_response({"message": "Webhook deleted successfully"})


async def regenerate(request: Request) -> Response:
    """Replace the secret at once."""
    sandbox, row = sandboxes.of(request), _find(request)
    rotated = core.rotate(sandbox, row, subscriptions.new_secret())
    shown = {"id": row["id"], "secret": rotated["secret"], "regeneratedAt": rotated["updated_on"]}
    return json_response({"data": shown, "message": "Webhook secret regenerated successfully"})


async def test(request: Request) -> Response:
    """Deliver a test event now and return the result."""
    return await _notify(request, "Test webhook sent successfully")


async def notify(request: Request) -> Response:
    """Deliver an event by hand; the provider documents it beside `test`."""
    return await _notify(request, "Webhook notification sent successfully")


async def deliveries(request: Request) -> Response:
    """List the delivery log, newest first."""
    sandbox, row = sandboxes.of(request), _find(request)
    asked = check(delivery_log.Listing, dict(request.query_params), bad_request)
    rows, total = delivery_log.listing(sandbox, row["id"], asked)
    shown = [delivery_log.shown(listed) for listed in rows]
    page = {"results": shown, "totalRecords": total, "limit": asked.limit, "offset": asked.offset}
    return json_response({"data": page})


async def replay(request: Request) -> Response:
    """Repeat a delivery as a new row, to the same URL."""
    sandbox, row = sandboxes.of(request), _find(request)
    asked = check(Replay, await json_object(request), bad_request)
    old = sandbox.store.find("deliveries", asked.delivery_id)
    if old is None or old["webhook_id"] != row["id"]:
        raise errors.domain(404, "Webhook delivery not found", "WebhookDeliveryNotFound")
    new = sandbox.store.find("deliveries", core.replay(sandbox, old)) or {}
    message = "Webhook delivery replayed successfully - new delivery attempt created"
    return json_response({"data": delivery_log.shown(new), "message": message})


async def stats(request: Request) -> Response:
    """Count the deliveries of the last days."""
    sandbox, row = sandboxes.of(request), _find(request)
    asked = check(Stats, dict(request.query_params), bad_request)
    shown = subscriptions.shown(sandbox, row)
    return json_response({"data": {"webhook": shown, **delivery_log.stats(sandbox, row["id"], asked.days)}})


async def _notify(request: Request, message: str) -> Response:
    sandbox, row = sandboxes.of(request), _find(request)
    asked = check(Notification, await json_object(request), bad_request)
    subscriptions.check_events([asked.event_type])
    given = {} if asked.payload is None else asked.payload
    wrapped = sandbox.behavior.test_payload == "wrapped"
    payload = core.compact(events.envelope(sandbox, asked.event_type, given) if wrapped else given)
    with sandbox.store.transaction():
        ids = [
            core.queue(sandbox, row, asked.event_type, url, payload, lane=f"test-{uuid4()}")
            for url in row["urls"]
        ]
    await request.app.state.sender.deliver_now(ids)
    rows = [id_ for id_ in (sandbox.store.find("deliveries", id_) for id_ in ids) if id_]
    return json_response(
        {"data": {"deliveries": _outcomes(rows), "summary": _summary(rows)}, "message": message}
    )


def _find(request: Request) -> Row:
    return subscriptions.find(sandboxes.of(request), request.path_params["name"])


def _outcomes(rows: list[Row]) -> list[dict[str, Any]]:
    keys = ("id", "eventType", "url", "httpStatus", "attemptCount", "maxAttempts", "isDelivered", "status")
    return [{key: delivery_log.shown(row)[key] for key in keys} for row in rows]


def _summary(rows: list[Row]) -> dict[str, Any]:
    good = sum(row["status"] == "delivered" for row in rows)
    problems = [row["error_message"] for row in rows if row["error_message"]]
    return {"total": len(rows), "successful": good, "failed": len(rows) - good, "errors": problems}


ROUTES = [
    Route("/api/webhooks", administrators(create), methods=["POST"]),
    Route("/api/webhooks/{name}", administrators(get), methods=["GET"]),
    Route("/api/webhooks/{name}", administrators(update), methods=["PATCH"]),
    Route("/api/webhooks/{name}", administrators(delete), methods=["DELETE"]),
    Route("/api/webhooks/{name}/regenerate", administrators(regenerate), methods=["POST"]),
    Route("/api/webhooks/{name}/test", administrators(test), methods=["POST"]),
    Route("/api/webhooks/{name}/notify", administrators(notify), methods=["POST"]),
    Route("/api/webhooks/{name}/deliveries", administrators(deliveries), methods=["GET"]),
    Route("/api/webhooks/{name}/replay", administrators(replay), methods=["POST"]),
    Route("/api/webhooks/{name}/stats", administrators(stats), methods=["GET"]),
]
