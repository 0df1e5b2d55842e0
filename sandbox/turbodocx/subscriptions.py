"""Webhook subscriptions."""

import secrets
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from sandbox.core import deliveries
from sandbox.core.store import Row
from sandbox.core.validation import Body, Problem
from sandbox.turbodocx import errors
from sandbox.turbodocx.events import EVENT_TYPES
from sandbox.turbodocx.receivers import check_urls
from sandbox.turbodocx.sandbox import USER_ID, Sandbox

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Urls = Annotated[list[str], Field(min_length=1, max_length=10)]
Events = Annotated[list[str], Field(min_length=1, max_length=100)]


class NewWebhook(Body):
    """The body of a create."""

    name: Name
    urls: Urls
    events: Events


class Change(Body):
    """The body of an update; lists replace the old ones."""

    name: Name | None = None
    urls: Urls | None = None
    events: Events | None = None
    is_active: bool | None = None


def bad_request(problems: list[Problem]) -> errors.ApiError:
    """Build the 400 of these routes."""
    return errors.domain(400, "; ".join(message for _, message in problems), "ValidationError")


def find(sandbox: Sandbox, name: str) -> Row:
    """Return a subscription by its name: the newest active one, else the newest paused one.

    Raises:
        ApiError: 404, it does not exist.
    """
    row = sandbox.store.row(
        "SELECT * FROM webhooks WHERE name = ? AND NOT is_deleted ORDER BY is_active DESC, seq DESC", name
    )
    if row is None:
        raise errors.domain(404, "Webhook not found", "WebhookNotFound")
    return row


def create(sandbox: Sandbox, asked: NewWebhook) -> Row:
    """Create a subscription and return its row with the secret.

    Raises:
        ApiError: 400, a URL or an event is invalid; 409, an active subscription has the name.
    """
    check_urls(sandbox, asked.urls)
    check_events(asked.events)
    with sandbox.store.transaction():
        if _name_taken(sandbox, asked.name):
            raise errors.domain(409, "Webhook name already in use", "WebhookNameConflict")
        return deliveries.subscribe(
            sandbox, name=asked.name, urls=asked.urls, events=asked.events, secret=new_secret()
        )


def change(sandbox: Sandbox, name: str, asked: Change) -> Row:
    """Change a subscription and return it.

    Raises:
        ApiError: As for `create`; 404, it does not exist.
    """
    row = find(sandbox, name)
    check_urls(sandbox, asked.urls or [])
    check_events(asked.events or [])
    given = {"name": asked.name, "urls": asked.urls, "events": asked.events, "is_active": asked.is_active}
    changes: Row = {key: value for key, value in given.items() if value is not None}
    changes["updated_on"] = sandbox.clock.stamp()
    with sandbox.store.transaction():
        if asked.name not in {None, row["name"]} and _name_taken(sandbox, str(asked.name)):
            raise errors.domain(409, "Webhook name already in use", "WebhookNameConflict")
        sandbox.store.update("webhooks", row["id"], **changes)
        sandbox.ledger.record("webhook_updated", row["id"])
    return row | changes


def new_secret() -> str:
    """Return a new secret."""
    return f"whsec_{secrets.token_hex(32)}"


def check_events(names: list[str]) -> None:
    """Check event types.

    Raises:
        ApiError: 400, an event type is unknown.
    """
    for name in names:
        if name not in EVENT_TYPES:
            raise errors.domain(400, f'Unknown event type "{name}"', "ValidationError")


def _name_taken(sandbox: Sandbox, name: str) -> bool:
    """Return whether an active subscription has the name; as at the provider, paused ones do not count."""
    query = "SELECT id FROM webhooks WHERE name = ? AND is_active AND NOT is_deleted"
    return sandbox.store.row(query, name) is not None


def shown(sandbox: Sandbox, row: Row) -> dict[str, Any]:
    """Build a subscription as the API shows it, without its secret."""
    return {
        "id": row["id"],
        "orgId": sandbox.access.org_id,
        "name": row["name"],
        "urls": row["urls"],
        "events": row["events"],
        "isActive": sandbox.flag(row["is_active"]),
        "createdBy": USER_ID,
        "createdOn": row["created_on"],
        "updatedOn": row["updated_on"],
        "secretExists": True,
        "maskedSecret": f"{row['secret'][:3]}***{row['secret'][-3:]}",
    }
