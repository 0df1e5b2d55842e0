"""A billing API and a CRM with faults and a ledger: `python stand_in.py PORT RECEIVER_URL`.

A write is done once per Idempotency-Key. Customers pay at once: the webhook `invoice.paid` is sent twice, and
again until the receiver accepts it. `STAND_IN_FAULTS` lists what becomes of calls, by turns: none, drop
(before the write), lose (after it), or a status such as 500.
"""

import hmac
import json
import os
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any

FAULTS = cycle(os.environ.get("STAND_IN_FAULTS", "none").split(","))
ledger: dict[str, dict[str, Any]] = {}


def commit(kind: str, key: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Write an entry, unless there is one with its key; a new invoice is paid."""
    new = {"id": key, "kind": kind, **fields}
    entry = ledger.setdefault(key, new)
    if entry is new and kind == "invoice":
        event = {"id": f"paid-{key}", "type": "invoice.paid", "data": entry}
        for _ in range(2):
            threading.Thread(target=deliver, args=(json.dumps(event).encode(),), daemon=True).start()
    return entry


def deliver(body: bytes) -> None:
    """Deliver a webhook until it is accepted."""
    while True:
        sent_at, secret = str(int(time.time())), os.environ["BILLING_WEBHOOK_SECRET"].encode()
        signature = hmac.new(secret, f"{sent_at}.".encode() + body, "sha256").hexdigest()
        headers = {"X-Signature": signature, "X-Timestamp": sent_at, "Content-Type": "application/json"}
        try:
            request = urllib.request.Request(f"{sys.argv[2]}/webhooks/billing", body, headers)
            urllib.request.urlopen(request, timeout=10).close()
        except OSError:
            time.sleep(0.5)
        else:
            return


class Api(BaseHTTPRequestHandler):
    """Both APIs: `/billing/...` and `/crm/...`."""

    def do_GET(self) -> None:
        if self.path == "/ledger":
            self.respond(200, list(ledger.values()))
        else:
            self.act(lambda: {"amount": "1200.00"})

    def do_POST(self) -> None:
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = "invoice" if self.path.endswith("/invoices") else "deal"
        self.act(lambda: commit(kind, self.headers["Idempotency-Key"], fields))

    def act(self, write: Callable[[], Any]) -> None:
        """Write and respond, unless it is the turn of a fault."""
        fault = "none" if self.path.endswith("/health") else next(FAULTS)
        if self.headers["Authorization"] != "Bearer stand-in-key":
            self.respond(401, {"code": "wrong_key"})
        elif fault.isdigit():
            self.respond(int(fault), {"code": "fault"})
        elif fault == "none":
            self.respond(200, write())
        else:
            if fault == "lose":
                write()
            self.connection.shutdown(socket.SHUT_RDWR)

    def respond(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None: ...


print(f"stand-in on port {sys.argv[1]}", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Api).serve_forever()
