"""The door as an ASGI application: limits → caller → signature → JSON → dialect → signal → answer.

Nothing unverified is parsed, and any 2xx to a delivery means that Temporal has acknowledged the event or that
it concerns no running agreement. Refusals say nothing but their status.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from countersign.webhooks.body import RefusedError, read_body
from countersign.webhooks.delivery import Delivery
from countersign.webhooks.dialect import Reading
from countersign.webhooks.endpoint import Endpoint
from countersign.webhooks.journal import Journal
from countersign.webhooks.verdict import RETRY_AFTER_SECONDS, Verdict

BODY_LIMIT: Final = 64 * 1024
"""Bytes of a delivery; Standard Webhooks advises providers to stay under 20 KB."""


class Door:
    """Answers deliveries.

    Args:
        delivery: Where verified events go.
        journal: Where verdicts are counted and logged.
        body_limit: Bytes of a delivery.
    """

    def __init__(self, delivery: Delivery, journal: Journal, *, body_limit: int = BODY_LIMIT) -> None:
        self._delivery = delivery
        self._journal = journal
        self._body_limit = body_limit

    def route(self, endpoint: Endpoint) -> Route:
        """Make an endpoint's route."""

        async def receive(request: Request) -> Response:
            started = time.perf_counter()
            verdict, reading = await self._judge(endpoint, request)
            seconds = time.perf_counter() - started
            self._journal.record(endpoint.dialect.name, verdict, reading, seconds=seconds)
            return _answer(verdict)

        return Route(f"/webhooks/{endpoint.dialect.name}", receive, methods=["POST"])

    async def _judge(self, endpoint: Endpoint, request: Request) -> tuple[Verdict, Reading | None]:
        reading = None
        try:
            body = await read_body(request, self._body_limit)
            headers = request.headers.raw
            await endpoint.verify(headers, body)
            reading = endpoint.read(headers, body)
            return (await self._delivery.deliver(reading) if reading else Verdict.IGNORED), reading
        except RefusedError as refused:
            return refused.verdict, None
        except Exception as error:  # noqa: BLE001 (a defect must neither lose an event nor tell a stranger)
            self._journal.defect(error)
            return Verdict.FAILED, reading


def create_app(
    door: Door, endpoints: Iterable[Endpoint], *, is_ready: Callable[[], Awaitable[bool]]
) -> Starlette:
    """Build the application.

    Args:
        door: Answers the deliveries.
        endpoints: The configured providers.
        is_ready: Tells whether a delivery would get through now.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_request: Request) -> Response:
        return PlainTextResponse("ready\n") if await is_ready() else _answer(Verdict.UNAVAILABLE)

    app = Starlette(
        routes=[
            *(door.route(endpoint) for endpoint in endpoints),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers={HTTPException: _refuse_request},
    )
    app.router.redirect_slashes = False
    return app


def _answer(verdict: Verdict) -> Response:
    status = verdict.status
    if status == HTTPStatus.OK:
        return PlainTextResponse("accepted\n", status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return PlainTextResponse("try again\n", status, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    # Whatever the caller has not sent yet is not waited for.
    headers = {"Connection": "close"} if verdict in _UNREAD else None
    return PlainTextResponse("refused\n", status, headers)


_UNREAD: Final = frozenset(
    {Verdict.AMBIGUOUS, Verdict.ENCODED, Verdict.GONE, Verdict.TOO_LARGE, Verdict.WRONG_CALLER}
)


async def _refuse_request(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    headers = {"Connection": "close"}
    if isinstance(error, HTTPException) and error.headers and "Allow" in error.headers:
        headers["Allow"] = error.headers["Allow"]
    return PlainTextResponse("refused\n", status, headers)
