"""A line in the log and a count for every request, and its id."""

import logging
import re
import time
from typing import Any, Final
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from countersign.configuration import SettingsError
from countersign.encryption import UndecryptableError
from countersign.observability.metrics import API_REQUESTS, API_SECONDS

_log = logging.getLogger(__name__)

REQUEST_ID: Final = "X-Request-Id"
_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SERVER_ERROR: Final = 500
NO_ROUTE: Final = "none"
"""The route of a request that reached none, in logs and metrics."""


class Journal:
    """An ASGI middleware: the outermost one.

    A caller may name the request in `X-Request-Id`: 1 to 64 letters, digits, dots, dashes and underscores.
    The response repeats the id. A line holds no query, no body and no address.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or uuid4().hex
        started = time.perf_counter()
        status, complete = 0, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, complete
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (REQUEST_ID.lower().encode(), request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001  # a defect, after its response
                _log.error("request failed: %s", _sentence(error))
                if not complete:  # the server closes the connection, and logs this error
                    raise RuntimeError("the response was interrupted") from None
            finally:
                _record(scope, status, time.perf_counter() - started)


def _given_id(scope: Scope) -> str | None:
    given = [value for name, value in scope["headers"] if name == REQUEST_ID.lower().encode()]
    return given[0].decode() if len(given) == 1 and _GIVEN_ID.fullmatch(given[0]) else None


def _sentence(error: Exception) -> str:
    """Say what an operator must mend; of a defect, only its place, since its message may quote the body."""
    if isinstance(error, SettingsError | UndecryptableError):
        return str(error)
    return f"{type(error).__name__} at {_place(error)}"


def _place(error: Exception) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "nowhere"


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", NO_ROUTE)
    name = f"{scope['method']} {route}" if route != NO_ROUTE else NO_ROUTE
    API_REQUESTS.labels(route=name, status=str(status)).inc()
    API_SECONDS.labels(route=name).observe(seconds)
    if route in {"/healthz", "/readyz"}:
        return
    state = scope.get("state", {})
    extra: dict[str, Any] = {"route": name, "status": status, "milliseconds": round(seconds * 1000, 1)}
    if caller := state.get("caller"):
        extra["caller"] = caller
    reference = scope.get("path_params", {}).get("reference") or state.get("reference")
    if isinstance(reference, str):
        extra["reference"] = reference[:40]
    batch = scope.get("path_params", {}).get("batch") or state.get("batch")
    if isinstance(batch, str):
        extra["batch"] = batch[:40]
    level = logging.WARNING if status >= _SERVER_ERROR or not status else logging.INFO
    _log.log(level, "request", extra=extra)
