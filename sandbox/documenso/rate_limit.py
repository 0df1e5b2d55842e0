"""The limit of requests per client address, in fixed buckets of a minute; replies carry its state."""

import time
from collections import Counter
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.core.responses import json_response
from sandbox.documenso.sandbox import Sandbox

_MINUTE = 60
RATE_LIMIT_BODY: dict[str, Any] = {"error": "Too many requests, please try again later."}


class RateLimitMiddleware:
    """Counts the calls of the API by real time."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox
        self._counts: Counter[str] = Counter()
        self._bucket = 0

    def reset(self) -> None:
        """Forget all calls."""
        self._counts.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a call with the limit's headers, or return 429."""
        limit = self._sandbox.behavior.requests_per_minute
        if scope["type"] != "http" or not scope["path"].startswith("/api/") or limit is None:
            await self._app(scope, receive, send)
            return
        used, ends = self._count(scope["client"][0] if scope["client"] else "")
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - used)),
            "X-RateLimit-Reset": str(ends),
        }

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        if used > limit:
            response = json_response(RATE_LIMIT_BODY, 429)
            response.headers["Retry-After"] = str(min(_MINUTE, max(1, ends - int(time.time()))))
            await response(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _count(self, address: str) -> tuple[int, int]:
        """Count a call; returns the calls of this minute and its end in Unix seconds."""
        bucket = int(time.time()) // _MINUTE
        if bucket != self._bucket:
            self._bucket = bucket
            self._counts.clear()
        self._counts[address] += 1
        return self._counts[address], (bucket + 1) * _MINUTE
