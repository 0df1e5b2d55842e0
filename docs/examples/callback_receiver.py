"""Receive callbacks: verify each, keep its id, answer at once. Needs `pip install standardwebhooks`."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["CALLBACK_SECRET"])
SEEN: set[str] = set()  # in your service: a table, written together with what the event changes


class Callbacks(BaseHTTPRequestHandler):
    """Answers 2xx once an event is safe, and 401 to what Countersign did not sign."""

    def do_POST(self) -> None:
        """Take one callback."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = WEBHOOK.verify(body, dict(self.headers.items()))
        except WebhookVerificationError:
            self.answer(401)
            return
        if self.headers["webhook-id"] not in SEEN:  # an event may come twice
            SEEN.add(self.headers["webhook-id"])
            print(event["type"], event["data"]["reference"], flush=True)
        self.answer(204)

    def answer(self, status: int) -> None:
        """Send a response without a body."""
        self.send_response(status)
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Callbacks).serve_forever()
