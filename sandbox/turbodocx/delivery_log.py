"""The delivery log: deliveries per URL, with their results."""

import json
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from sandbox.core.clock import iso
from sandbox.core.store import Row
from sandbox.core.validation import Query
from sandbox.turbodocx.sandbox import Sandbox

MAX_ATTEMPTS: Final = 3


class Listing(Query):
    """The filters of the log."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    offset: Annotated[int, Field(ge=0, le=2**53)] = 0
    event_type: str | None = None
    is_delivered: Literal["true", "false"] | None = None
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None


def listing(sandbox: Sandbox, webhook_id: str, asked: Listing) -> tuple[list[Row], int]:
    """Return a page of the log, newest first, and the total count."""
    delivered, http_status = asked.is_delivered, asked.http_status
    if not sandbox.behavior.filters_work:
        delivered, http_status = ("false" if delivered else None), None
    where = (
        "webhook_id = ?1 AND (?2 IS NULL OR event_type = ?2) AND (?3 IS NULL OR http_status = ?3)"
        " AND (?4 IS NULL OR (status = 'delivered') = (?4 = 'true'))"
    )
    values = (webhook_id, asked.event_type, http_status, delivered)
    total = sandbox.store.row(f"SELECT COUNT(*) AS n FROM deliveries WHERE {where}", *values)  # noqa: S608 - constant text
    rows = sandbox.store.rows(
        f"SELECT * FROM deliveries WHERE {where} ORDER BY seq DESC LIMIT ?5 OFFSET ?6",  # noqa: S608 - as above
        *values,
        asked.limit,
        asked.offset,
    )
    return rows, total["n"] if total else 0


def shown(row: Row) -> dict[str, Any]:
    """Build a delivery as the API shows it."""
    return {
        "id": row["id"],
        "webhookId": row["webhook_id"],
        "eventType": row["event_type"],
        "url": row["url"],
        "payload": json.loads(row["payload"]),
        "httpStatus": row["http_status"],
        "responseBody": row["response_body"],
        "attemptCount": row["attempt_count"],
        "maxAttempts": MAX_ATTEMPTS,
        "isDelivered": row["status"] == "delivered",
        "deliveredAt": row["delivered_at"],
        "nextRetryAt": row["next_attempt_at"] if row["status"] == "retrying" else None,
        "errorMessage": row["error_message"],
        "status": row["status"],
        "createdOn": row["created_on"],
        "updatedOn": row["updated_on"],
    }


def counts(sandbox: Sandbox, webhook_id: str) -> dict[str, int]:
    """Count a subscription's deliveries."""
    return _counts(sandbox.store.rows("SELECT status FROM deliveries WHERE webhook_id = ?", webhook_id))


def stats(sandbox: Sandbox, webhook_id: str, days: int) -> dict[str, Any]:
    """Count a subscription's deliveries of the last `days`, in total and by event."""
    now = sandbox.clock.now()
    start = iso(now - timedelta(days=days))
    rows = sandbox.store.rows(
        "SELECT * FROM deliveries WHERE webhook_id = ? AND created_on >= ? ORDER BY seq", webhook_id, start
    )
    times = [row["duration_ms"] for row in rows if row["duration_ms"] is not None]
    good = [row for row in rows if row["status"] == "delivered"]
    bad = [row for row in rows if row["status"] == "failed"]
    summary = {
        **_counts(rows),
        "avgResponseTime": round(sum(times) / len(times)) if times else 0,
        "successRate": _rate(len(good), len(rows)),
        "lastSuccessfulDelivery": good[-1]["delivered_at"] if good else None,
        "lastFailedDelivery": bad[-1]["updated_on"] if bad else None,
    }
    period = {"days": days, "from": start, "to": iso(now)}
    return {"period": period, "summary": summary, "eventBreakdown": _by_event(rows)}


def _counts(rows: list[Row]) -> dict[str, int]:
    statuses = [row["status"] for row in rows]
    return {
        "totalDeliveries": len(rows),
        "successfulDeliveries": statuses.count("delivered"),
        "failedDeliveries": statuses.count("failed"),
        "pendingRetries": statuses.count("retrying"),
    }


def _by_event(rows: list[Row]) -> list[dict[str, Any]]:
    breakdown = []
    for name in dict.fromkeys(row["event_type"] for row in rows):
        statuses = [row["status"] for row in rows if row["event_type"] == name]
        good = statuses.count("delivered")
        breakdown.append(
            {
                "eventType": name,
                "total": len(statuses),
                "successful": good,
                "failed": statuses.count("failed"),
                "successRate": _rate(good, len(statuses)),
            }
        )
    return breakdown


def _rate(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
