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

from sandbox.core import control, people
from sandbox.core.bodies import BodyError
from sandbox.core.errors import ApiError
from sandbox.core.fault_middleware import FaultMiddleware
from sandbox.core.hosts import HostMiddleware
from sandbox.core.ledger import current_request
from sandbox.core.provider import Provider
from sandbox.core.responses import json_response
from sandbox.core.sender import Sender


def create_app(provider: Provider, hosts: Collection[str] = ()) -> Starlette:
    """Build the ASGI application; `hosts` are the names under which clients may reach it."""
    provider.seed()
    app = Starlette(
        routes=[*provider.routes(), *control.ROUTES, *people.ROUTES],
        exception_handlers={
            ApiError: _api_error,
            BodyError: _unreadable,
            HTTPException: _no_route,
            Exception: _server_error,
        },
        lifespan=_lifespan,
    )
    app.state.provider = provider
    app.state.sandbox = provider.sandbox
    app.add_middleware(_Wrapped, provider=provider)
    app.add_middleware(FaultMiddleware, provider=provider)
    app.add_middleware(_RequestContext)
    app.add_middleware(HostMiddleware, names=hosts)
    return app


class _Wrapped:
    """The provider's own middleware."""

    def __init__(self, app: ASGIApp, provider: Provider) -> None:
        self._app = provider.wrap(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.sender = Sender(app.state.provider)
    tasks = [
        asyncio.create_task(app.state.sender.run()),
        asyncio.create_task(_sweep_forever(app.state.provider)),
    ]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _sweep_forever(provider: Provider) -> None:
    while True:
        try:
            provider.sweep()
        except Exception as error:  # noqa: BLE001 - a bug in one job must not stop the others unseen
            print("sandbox: a bug in a background job", file=sys.stderr)  # noqa: T201 - as below
            traceback.print_exception(error)
            await asyncio.sleep(1)
        await asyncio.sleep(provider.sweep_seconds)


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
    return _response(error)


async def _unreadable(request: Request, error: Exception) -> Response:
    if not isinstance(error, BodyError):
        raise error
    provider: Provider = request.app.state.provider
    return _response(provider.unreadable(error))


async def _no_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    provider: Provider = request.app.state.provider
    response = _response(provider.no_route(error.status_code, request.method, request.url.path))
    response.headers.update(error.headers or {})
    return response


async def _server_error(request: Request, error: Exception) -> Response:
    """Return 500 for a bug of the sandbox, and print its traceback."""
    print(f"sandbox: a bug in {request.method} {request.url.path}", file=sys.stderr)  # noqa: T201 - the sandbox has no other log
    traceback.print_exception(error)
    provider: Provider = request.app.state.provider
    return _response(provider.crash(request.url.path))


def _response(error: ApiError) -> Response:
    if error.body is None:
        return Response(status_code=error.status)
    return json_response(error.body, error.status)
