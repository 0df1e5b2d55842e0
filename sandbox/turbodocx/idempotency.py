"""An extension, off by default: repeat the first response of an `Idempotency-Key`."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.core.capture import captured_messages, read_body
from sandbox.core.responses import json_response
from sandbox.turbodocx.sandbox import Sandbox

_SERVER_ERROR = 500


class IdempotencyMiddleware:
    """Stores the responses of writes by their key; the real service does not."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Return the stored response, or run the request and store its response."""
        key = _key(scope) if self._sandbox.behavior.idempotency_keys else None
        if key is None:
            await self._app(scope, receive, send)
            return
        body = await read_body(receive)
        digest = hashlib.sha256(body).hexdigest()
        known = self._sandbox.store.find("answers", key)
        if known is None:
            messages = await captured_messages(self._app, scope, body)
            self._remember(key, digest, messages)
            for message in messages:
                await send(message)
        elif known["digest"] == digest:
            content = self._sandbox.store.file(f"answer-{key}") or b""
            again = Response(content, known["status"], media_type="application/json")
            await again(scope, receive, send)
        else:
            problem = {"message": "Idempotency-Key was used for another body", "type": "IdempotencyKeyReused"}
            await json_response(problem, 422)(scope, receive, send)

    def _remember(self, key: str, digest: str, messages: list[Message]) -> None:
        status = messages[0]["status"]
        if status >= _SERVER_ERROR:
            return
        content = b"".join(message.get("body", b"") for message in messages[1:])
        with self._sandbox.store.transaction():
            self._sandbox.store.insert("answers", {"id": key, "digest": digest, "status": status})
            self._sandbox.store.keep_file(f"answer-{key}", content)


def _key(scope: Scope) -> str | None:
    if (
        scope["type"] != "http"
        or scope["method"] not in {"POST", "PATCH"}
        or scope["path"].startswith("/_sandbox")
    ):
        return None
    given = Request(scope).headers.get("idempotency-key")
    return None if not given else hashlib.sha256(f"{scope['path']}\n{given}".encode()).hexdigest()
