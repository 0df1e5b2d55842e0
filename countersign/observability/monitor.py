"""Metrics, health and status of a process over HTTP.

The server listens on a separate port, so that it need not be public. A setting names the port and turns the
server on.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import countersign
from countersign.http_server.server import Server
from countersign.observability.metrics import BUILD
from countersign.observability.readiness import Readiness
from countersign.observability.sdk import SdkMetrics

CONNECTION_LIMIT: Final = 100
"""Prometheus and an orchestrator need a few connections."""


class Monitor:
    """Serves `/metrics`, `/healthz`, `/readyz` and `/status` of this process.

    Args:
        role: The kind of process, for example `worker`.
        sdk: The Temporal SDK's metrics.
        readiness: Checks the connection to Temporal.
    """

    def __init__(self, role: str, sdk: SdkMetrics, readiness: Readiness) -> None:
        self._sdk = sdk
        self._readiness = readiness
        BUILD.labels(countersign.__version__, role).set(1)

    async def refresh(self) -> None:
        """Update the metrics that are collected only on request."""

    async def is_ready(self) -> bool:
        """Return whether this process can do its work now."""
        return await self._readiness()

    async def describe(self) -> Mapping[str, Any]:
        """Return the state of the process for `/status`, without secrets and personal data."""
        return {"version": countersign.__version__, "ready": await self.is_ready()}

    def server(self, host: str, port: int) -> Server:
        """Build the server.

        Args:
            host: The address to listen on.
            port: The port; 0 selects a free one.
        """
        app = Starlette(
            routes=[
                Route("/metrics", self._metrics),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
                Route("/status", self._status),
            ]
        )
        return Server(app, host=host, port=port, connection_limit=CONNECTION_LIMIT, purpose=" for metrics")

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
