"""Documents and recipients as the API shows them."""

from typing import Any

from sandbox.core.store import Row
from sandbox.turbodocx import documents
from sandbox.turbodocx.sandbox import Sandbox


def document(row: Row) -> dict[str, Any]:
    """Build a document."""
    return {
        "id": row["id"],
        "name": row["name"],
        "status": row["status"],
        "createdOn": row["created_on"],
        "sentOn": row["sent_on"],
        "expiresAt": row["expires_at"],
        "sentBy": {"name": row["sender_name"], "email": row["sender_email"]},
    }


def recipient(sandbox: Sandbox, row: Row, person: Row) -> dict[str, Any]:
    """Build a recipient with the counts of their e-mails."""
    return {
        "id": person["id"],
        "name": person["name"],
        "email": person["email"],
        "status": person["status"],
        "effectiveStatus": documents.effective_status(row, person, sandbox.clock.now()),
        "signedOn": person["signed_on"],
        "signingOrder": person["signing_order"],
        "delivery": {
            "firstSentOn": person["first_sent_on"],
            "lastSentOn": person["last_sent_on"],
            "totalSent": person["total_sent"],
            "reminderCount": person["reminder_count"],
            "lastRemindedAt": person["last_reminded_at"],
            "warningCount": person["warning_count"],
            "lastWarningAt": person["last_warning_at"],
        },
    }


def summary(shown: list[dict[str, Any]]) -> dict[str, int]:
    """Count recipients by effective status. `waitingOn` counts the pending and the viewed."""
    counts = {
        name: sum(entry["effectiveStatus"] == name for entry in shown)
        for name in ("pending", "viewed", "completed", "voided", "expired")
    }
    return {"total": len(shown), **counts, "waitingOn": counts["pending"] + counts["viewed"]}
