"""What a process tells about itself over HTTP: `/metrics` for Prometheus, health for an orchestrator.

On a port of its own, which strangers need not reach; off unless a setting names the port.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import countersign
from countersign.listening import listening_on
from countersign.observability.metrics import BUILD
from countersign.observability.readiness import Readiness
from countersign.observability.sdk import SdkMetrics


class Monitor:
    """Answers questions about this process.

    Args:
        role: What this process is, for example `worker`.
        sdk: The Temporal SDK's metrics.
        readiness: Whether Temporal answers.
    """

    def __init__(self, role: str, sdk: SdkMetrics, readiness: Readiness) -> None:
        self._sdk = sdk
        self._readiness = readiness
        BUILD.labels(countersign.__version__, role).set(1)

    async def refresh(self) -> None:
        """Bring up to date what is asked for only when somebody looks."""

    async def is_ready(self) -> bool:
        """Tell whether this process does its work now."""
        return await self._readiness()

    async def describe(self) -> Mapping[str, Any]:
        """Tell a person how it is; nothing secret or personal."""
        return {"version": countersign.__version__, "ready": await self.is_ready()}

    def app(self) -> Starlette:
        """Build the application."""
        return Starlette(
            routes=[
                Route("/metrics", self._metrics),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
                Route("/status", self._status),
            ]
        )

    async def _metrics(self, _request: Request) -> Response:
        await self.refresh()
        sdk_page = await asyncio.to_thread(self._sdk.page)
        return Response(generate_latest() + sdk_page, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def _healthz(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _readyz(self, _request: Request) -> Response:
        ready = await self.is_ready()
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def _status(self, _request: Request) -> Response:
        await self.refresh()
        return JSONResponse(await self.describe())


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the process, whose side matter this is."""
        yield


@asynccontextmanager
async def serving(app: Starlette, host: str, port: int) -> AsyncIterator[int]:
    """Serve an application beside this process's work; yields the port.

    Args:
        app: What to serve.
        host: The address to listen on.
        port: The port; 0 picks a free one.

    Raises:
        CannotListenError: The address is taken or not ours.
    """
    with _listen(host, port) as listener:
        server = _Server(uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False))
        task = asyncio.create_task(server.serve([listener]), name="monitor")
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with listening_on(host, port, purpose=" for metrics"):
        return socket.create_server((host, port), family=family)
