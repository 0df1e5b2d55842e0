"""The audit log of an envelope."""

from typing import Any

from sandbox.core.ledger import current_request
from sandbox.core.store import Row
from sandbox.documenso.ids import nanoid
from sandbox.documenso.sandbox import USERS, Sandbox


def record(
    sandbox: Sandbox,
    document: Row,
    kind: str,
    data: dict[str, Any],
    *,
    person: Row | None = None,
    user_id: int | None = None,
) -> None:
    """Append an entry, by a recipient or by a user."""
    user = USERS[user_id] if user_id is not None else None
    request = current_request.get() or {}
    sandbox.store.insert(
        "audit",
        {
            "id": nanoid(),
            "document_id": document["id"],
            "type": kind,
            "data": (of_recipient(person) if person else {}) | data,
            "created_on": sandbox.clock.stamp(),
            "user_id": user_id,
            "name": person["name"] if person else user.name if user else None,
            "email": person["email"] if person else user.email if user else None,
            "user_agent": request.get("headers", {}).get("user-agent"),
        },
    )


def of_recipient(person: Row) -> dict[str, Any]:
    """Return the data that entries about a recipient have."""
    return {
        "recipientEmail": person["email"],
        "recipientName": person["name"],
        "recipientId": person["id"],
        "recipientRole": person["role"],
    }


def entries(sandbox: Sandbox, document_id: str) -> list[dict[str, Any]]:
    """Return an envelope's entries as the API shows them, newest first."""
    rows = sandbox.store.rows("SELECT * FROM audit WHERE document_id = ? ORDER BY seq DESC", document_id)
    return [
        {
            "id": row["id"],
            "envelopeId": document_id,
            "createdAt": row["created_on"],
            "type": row["type"],
            "data": row["data"],
            "name": row["name"],
            "email": row["email"],
            "userId": row["user_id"],
            "userAgent": row["user_agent"],
            "ipAddress": None,
        }
        for row in rows
    ]
