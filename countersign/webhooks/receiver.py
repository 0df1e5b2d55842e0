"""The receiver as an ASGI application: limits, caller, signature, JSON, event, signal, response.

The receiver parses nothing that is not signed. It responds 2xx only if Temporal has acknowledged the event or
the event concerns no running agreement. A response to a rejected delivery never explains the reason.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.contextvars import bound_contextvars

from countersign.http_server.limits import RETRY_AFTER_SECONDS, RejectedRequestError, read_body
from countersign.webhooks.adapter import ParsedDelivery
from countersign.webhooks.admission import Admission
from countersign.webhooks.callers import Callers
from countersign.webhooks.delivery import Delivery
from countersign.webhooks.journal import Journal, expect
from countersign.webhooks.outcome import DeliveryOutcome, RejectedDeliveryError
from countersign.webhooks.routes import WebhookRoute

BODY_LIMIT: Final = 65_536
"""Bytes. Providers send a few KB, and Standard Webhooks recommends less than 20 KB."""
RESPONSE_SECONDS: Final = 4.5
"""From a complete request to its response, below the 5 s that providers are advised to wait. Reading secrets
again and signaling the workflow may both take seconds."""

_UNREAD: Final = frozenset(
    {
        DeliveryOutcome.AMBIGUOUS,
        DeliveryOutcome.CROWDED,
        DeliveryOutcome.ENCODED,
        DeliveryOutcome.TOO_LARGE,
        DeliveryOutcome.WRONG_CALLER,
    }
)
"""Rejected before the body was read, so the connection is closed."""


class Receiver:
    """Handles deliveries.

    Args:
        delivery: Signals the workflow of a verified event.
        journal: Counts and logs outcomes.
        callers: The addresses that may deliver.
    """

    def __init__(self, delivery: Delivery, journal: Journal, callers: Callers) -> None:
        self._delivery = delivery
        self._journal = journal
        self._callers = callers
        self._admission = Admission()

    def app(self, routes: Iterable[WebhookRoute], *, is_ready: Callable[[], Awaitable[bool]]) -> Starlette:
        """Build the application.

        Args:
            routes: Where deliveries arrive.
            is_ready: Returns whether Temporal can be reached, for `/readyz`.
        """

        async def healthz(_request: Request) -> Response:
            return PlainTextResponse("alive\n")

        async def readyz(_request: Request) -> Response:
            return (
                PlainTextResponse("ready\n") if await is_ready() else _response(DeliveryOutcome.UNAVAILABLE)
            )

        app = Starlette(
            routes=[
                *(self._endpoint(route) for route in routes),
                Route("/healthz", healthz),
                Route("/readyz", readyz),
            ],
            exception_handlers={HTTPException: _reject_request},
        )
        app.router.redirect_slashes = False
        return app

    def _endpoint(self, route: WebhookRoute) -> Route:
        expect(route.name)

        async def receive(request: Request) -> Response:
            with bound_contextvars(request_id=uuid4().hex):
                return _response(await self._receive(route, request))

        return Route(route.path, receive, methods=["POST"])

    async def _receive(self, route: WebhookRoute, request: Request) -> DeliveryOutcome:
        started = time.perf_counter()
        try:
            with self._admission.admit():
                self._check_caller(request)
                body = await _read(request)
                parsed, outcome = await self._process(route, request, body)
        except RejectedDeliveryError as rejected:
            self._journal.rejected(route.name, rejected.outcome, caller=rejected.caller)
            return rejected.outcome
        except Exception as error:  # noqa: BLE001  # a defect must neither lose the event nor reach the caller
            self._journal.failed(route.name, error)
            return DeliveryOutcome.FAILED
        self._journal.accepted(route.name, outcome, parsed, seconds=time.perf_counter() - started)
        return outcome

    async def _process(
        self, route: WebhookRoute, request: Request, body: bytes
    ) -> tuple[ParsedDelivery | None, DeliveryOutcome]:
        """Verify, parse and deliver, within the time that a provider waits."""
        parsed = None
        headers = request.headers.raw
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                await route.verify(headers, body)
                parsed = route.parse(headers, body)
                return parsed, await self._delivery.deliver(parsed) if parsed else DeliveryOutcome.IGNORED
        except TimeoutError:
            return parsed, DeliveryOutcome.UNAVAILABLE

    def _check_caller(self, request: Request) -> None:
        peer = request.client.host if request.client else None
        forwarded = request.headers.getlist("x-forwarded-for")
        if not self._callers.admits(peer, forwarded):
            caller = self._callers.find(peer, forwarded)
            raise RejectedDeliveryError(DeliveryOutcome.WRONG_CALLER, caller=str(caller or "not an address"))


async def _read(request: Request) -> bytes:
    try:
        return await read_body(request, BODY_LIMIT)
    except RejectedRequestError as rejected:
        raise RejectedDeliveryError(DeliveryOutcome(rejected.rejection)) from None


def _response(outcome: DeliveryOutcome) -> Response:
    status = outcome.status
    if status == HTTPStatus.OK:
        return PlainTextResponse("accepted\n", status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return PlainTextResponse("try again\n", status, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return PlainTextResponse("refused\n", status, {"Connection": "close"} if outcome in _UNREAD else None)


async def _reject_request(_request: Request, error: Exception) -> Response:
    """Respond to a wrong path or method with the same text as to a rejected delivery."""
    assert isinstance(error, HTTPException)  # noqa: S101  # the type that this handler is registered for
    return PlainTextResponse("refused\n", error.status_code, {**(error.headers or {}), "Connection": "close"})
