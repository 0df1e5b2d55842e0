"""Headers and body of a delivery attempt, with the fault of its rule."""

import hashlib
import hmac
import time

from sandbox.core.fault_rules import WebhookFault
from sandbox.core.store import Row

_WRONG = "0" * 64


def posting(row: Row, webhook: Row, fault: WebhookFault | None = None) -> tuple[dict[str, str], bytes]:
    """Build headers and body of an attempt.

    The timestamp is real time, not the sandbox's clock, because receivers compare it with real time.
    """
    body, secret, at = row["payload"].encode(), webhook["secret"], time.time()
    done = None if fault is None else fault.do
    if fault is not None and done == "stale_timestamp":
        at += fault.seconds
    if done == "old_secret":
        secret = webhook["previous_secret"] or f"whsec_{_WRONG}"
    timestamp = str(int(at))
    signed = _WRONG if done == "wrong_signature" else signature(secret, timestamp, body)
    headers = {
        "content-type": "application/json",
        "user-agent": "TurboDocx-Sandbox-Webhooks",
        "x-turbodocx-signature": f"sha256={signed}",
        "x-turbodocx-timestamp": timestamp,
        "x-turbodocx-event": row["event_type"],
        "x-turbodocx-delivery-id": row["id"],
    }
    return headers, body.replace(b'"', b'" ', 1) if done == "tamper" else body


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the HMAC of timestamp, dot and raw body."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
