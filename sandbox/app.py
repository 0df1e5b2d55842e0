"""The ASGI application: routes, error handlers and background tasks."""

import asyncio
import contextlib
import sys
import traceback
from collections.abc import AsyncIterator, Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import reminders, seeds
from sandbox.errors import ApiError
from sandbox.fault_middleware import FaultMiddleware
from sandbox.hosts import HostMiddleware
from sandbox.idempotency import IdempotencyMiddleware
from sandbox.ledger import current_request
from sandbox.responses import json_response
from sandbox.routes import (
    control,
    deliverables,
    documents,
    embedding,
    people,
    sending,
    signers,
    templates,
    webhooks,
)
from sandbox.sandbox import Sandbox
from sandbox.sender import Sender

_SWEEP_SECONDS = 1.0


def create_app(sandbox: Sandbox, hosts: Collection[str] = ()) -> Starlette:
    """Build the ASGI application; `hosts` are the names under which clients may reach it."""
    seeds.seed(sandbox)
    app = Starlette(
        routes=[
            *deliverables.ROUTES,
            *templates.ROUTES,
            *sending.ROUTES,
            *documents.ROUTES,
            *embedding.ROUTES,
            *webhooks.ROUTES,
            *signers.ROUTES,
            *control.ROUTES,
            *people.ROUTES,
        ],
        exception_handlers={ApiError: _api_error, HTTPException: _no_route, Exception: _server_error},
        lifespan=_lifespan,
    )
    app.state.sandbox = sandbox
    app.state.access = sandbox.access
    app.add_middleware(IdempotencyMiddleware, sandbox=sandbox)
    app.add_middleware(FaultMiddleware, faults=sandbox.faults)
    app.add_middleware(_RequestContext)
    app.add_middleware(HostMiddleware, names=hosts)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.sender = Sender(app.state.sandbox)
    tasks = [
        asyncio.create_task(app.state.sender.run()),
        asyncio.create_task(_sweep_forever(app.state.sandbox)),
    ]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _sweep_forever(sandbox: Sandbox) -> None:
    while True:
        reminders.sweep(sandbox)
        await asyncio.sleep(_SWEEP_SECONDS)


class _RequestContext:
    """Stores the current request for the ledger."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            names = ("user-agent", "idempotency-key", "x-request-id", "x-timezone", "x-device-fingerprint")
            headers = {name: request.headers[name] for name in names if name in request.headers}
            current_request.set({"method": request.method, "path": request.url.path, "headers": headers})
        await self._app(scope, receive, send)


async def _api_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return (
        Response(status_code=error.status) if error.body is None else json_response(error.body, error.status)
    )


async def _no_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    kind = {404: "NotFound", 405: "MethodNotAllowed"}.get(error.status_code, "Error")
    message = f"Cannot {request.method} {request.url.path}"
    response = json_response({"message": message, "type": kind}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _server_error(request: Request, error: Exception) -> Response:
    """Return 500 for a bug of the sandbox, and print its traceback."""
    print(f"sandbox: a bug in {request.method} {request.url.path}", file=sys.stderr)  # noqa: T201 - the sandbox has no other log
    traceback.print_exception(error)
    return json_response({"message": "Internal server error", "type": "InternalServerError"}, 500)
