"""The audit trail: entries linked by hashes.

The provider does not publish its hash. The sandbox uses SHA-256 of the keys in `_HASHED`, which the API
shows, as compact JSON with sorted keys.
"""

import hashlib
import json
from typing import Any, Final
from uuid import uuid4

from sandbox.core.ledger import current_request
from sandbox.core.store import Row
from sandbox.turbodocx.sandbox import Sandbox

_HASHED: Final = {
    "id": "id",
    "documentId": "document_id",
    "actionType": "action_type",
    "timestamp": "timestamp",
    "previousHash": "previous_hash",
    "details": "details",
    "recipientId": "recipient_id",
}

_CONTEXT: Final = {
    "user-agent": "userAgent",
    "x-timezone": "timezone",
    "x-device-fingerprint": "deviceFingerprint",
}


def record(
    sandbox: Sandbox, document_id: str, action: str, recipient: Row | None = None, **details: Any
) -> None:
    """Append an entry."""
    last = sandbox.store.row(
        "SELECT current_hash FROM audit WHERE document_id = ? ORDER BY seq DESC LIMIT 1", document_id
    )
    entry = {
        "id": str(uuid4()),
        "document_id": document_id,
        "action_type": action,
        "timestamp": sandbox.clock.stamp(),
        "details": details | _client_context(),
        "recipient_id": None if recipient is None else recipient["id"],
        "previous_hash": None if last is None else last["current_hash"],
    }
    sandbox.store.insert("audit", entry | {"current_hash": digest(entry)})


def _client_context() -> dict[str, str]:
    """Read the client's description of itself from the request headers."""
    headers = (current_request.get() or {}).get("headers", {})
    return {name: headers[header] for header, name in _CONTEXT.items() if header in headers}


def digest(entry: Row) -> str:
    """Hash an entry."""
    shown = {name: entry[column] for name, column in _HASHED.items()}
    text = json.dumps(shown, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def trail(sandbox: Sandbox, document: Row) -> list[dict[str, Any]]:
    """Return a document's entries, oldest first."""
    people = {
        row["id"]: {"name": row["name"], "email": row["email"]}
        for row in sandbox.store.rows("SELECT * FROM recipients WHERE document_id = ?", document["id"])
    }
    sender = {"name": document["sender_name"], "email": document["sender_email"]}
    rows = sandbox.store.rows("SELECT * FROM audit WHERE document_id = ? ORDER BY seq", document["id"])
    return [_shown(row, people, sender) for row in rows]


def _shown(row: Row, people: dict[str, dict[str, str]], sender: dict[str, str]) -> dict[str, Any]:
    shown = {
        "id": row["id"],
        "documentId": row["document_id"],
        "actionType": row["action_type"],
        "timestamp": row["timestamp"],
        "previousHash": row["previous_hash"],
        "currentHash": row["current_hash"],
        "createdOn": row["timestamp"],
        "details": row["details"],
    }
    if row["recipient_id"] is None:
        return shown | {"user": sender}
    return shown | {"recipient": people.get(row["recipient_id"]), "recipientId": row["recipient_id"]}
