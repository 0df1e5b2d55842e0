"""Deliveries in the provider's documented format, made without the code under test."""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

SECRET = "whsec_0123456789abcdef0123456789abcdef"
PATH = "/webhooks/turbodocx"
EXAMPLES = Path(__file__).with_name("turbodocx_examples.json")


def envelope(title: str, event: str = "signature.document.viewed", **data: Any) -> dict[str, Any]:
    return {
        "event": event,
        "event_id": f"evt_{uuid4().hex}",
        "created_at": "2025-08-26T11:35:12.500Z",
        "version": "1.0",
        "data": {"document_id": str(uuid4()), "title": title, **data},
    }


def examples() -> list[dict[str, Any]]:
    """Return the events in the provider's documentation, one of each type."""
    examples: list[dict[str, Any]] = json.loads(EXAMPLES.read_text(encoding="utf-8"))["examples"]
    return examples


def encode(payload: Any) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def digest(body: bytes, timestamp: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def sign(body: bytes, *, secret: str = SECRET, offset: int = 0) -> dict[str, str]:
    """Return the headers of a delivery signed `offset` seconds from now."""
    timestamp = str(int(time.time()) + offset)
    return {
        "Content-Type": "application/json",
        "X-TurboDocx-Signature": f"sha256={digest(body, timestamp, secret)}",
        "X-TurboDocx-Timestamp": timestamp,
    }
