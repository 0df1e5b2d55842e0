"""Queue webhook deliveries; the sender posts them after the commit."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sandbox.core.sandbox import Sandbox
from sandbox.core.store import Row


def emit(sandbox: Sandbox, event_type: str, payload: str, *, lane: str) -> None:
    """Queue an event for all subscriptions that have its type."""
    for webhook in sandbox.store.rows("SELECT * FROM webhooks WHERE is_active AND NOT is_deleted"):
        if event_type in webhook["events"]:
            for url in webhook["urls"]:
                queue(sandbox, webhook, event_type, url, payload, lane=lane)
    sandbox.wake()


def compact(body: Any) -> str:
    """Serialize JSON as `JSON.stringify` does."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def queue(sandbox: Sandbox, webhook: Row, event_type: str, url: str, payload: str, *, lane: str) -> str:
    """Add a delivery to the log, due now, and return its id.

    Attempts of one lane to one URL wait for each other.
    """
    now = sandbox.clock.stamp()
    delivery_id = str(uuid4())
    row = {
        "id": delivery_id,
        "webhook_id": webhook["id"],
        "event_type": event_type,
        "lane": lane,
        "url": url,
        "payload": payload,
        "next_attempt_at": now,
        "created_on": now,
        "updated_on": now,
    }
    sandbox.store.insert("deliveries", row)
    return delivery_id


def subscribe(sandbox: Sandbox, *, name: str, urls: list[str], events: Sequence[str], secret: str) -> Row:
    """Create a subscription and return its row."""
    now = sandbox.clock.stamp()
    row: Row = {
        "id": str(uuid4()),
        "name": name,
        "urls": urls,
        "events": list(events),
        "is_active": True,
        "secret": secret,
        "created_on": now,
        "updated_on": now,
    }
    with sandbox.store.transaction():
        sandbox.store.insert("webhooks", row)
        sandbox.ledger.record("webhook_created", row["id"], name=name, urls=urls)
    return row


def unsubscribe(sandbox: Sandbox, webhook_id: str) -> None:
    """Delete a subscription and cancel its open deliveries."""
    with sandbox.store.transaction():
        sandbox.store.update("webhooks", webhook_id, is_deleted=True, is_active=False)
        sandbox.store.execute(
            "UPDATE deliveries SET next_attempt_at = NULL, status = 'failed'"
            " WHERE webhook_id = ? AND next_attempt_at IS NOT NULL",
            webhook_id,
        )
        sandbox.ledger.record("webhook_deleted", webhook_id)


def rotate(sandbox: Sandbox, row: Row, secret: str) -> Row:
    """Replace the secret of a subscription at once, and return its row."""
    changes: Row = {"secret": secret, "previous_secret": row["secret"], "updated_on": sandbox.clock.stamp()}
    with sandbox.store.transaction():
        sandbox.store.update("webhooks", row["id"], **changes)
        sandbox.ledger.record("webhook_secret_rotated", row["id"])
    return row | changes


def replay(sandbox: Sandbox, delivery: Row) -> str:
    """Repeat a delivery as a new row, to the same URL, and return its id."""
    webhook = sandbox.store.find("webhooks", delivery["webhook_id"]) or {}
    with sandbox.store.transaction():
        new_id = queue(
            sandbox,
            webhook,
            delivery["event_type"],
            delivery["url"],
            delivery["payload"],
            lane=f"replay-{uuid4()}",
        )
        sandbox.ledger.record("webhook_replayed", new_id, of=delivery["id"])
    sandbox.wake()
    return new_id


def log(sandbox: Sandbox, event_type: str | None, document_id: str | None) -> list[Row]:
    """Return deliveries, newest first."""
    return sandbox.store.rows(
        "SELECT * FROM deliveries WHERE (?1 IS NULL OR event_type = ?1) AND (?2 IS NULL OR lane = ?2)"
        " ORDER BY seq DESC",
        event_type,
        document_id,
    )
