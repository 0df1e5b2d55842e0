"""The receiver as an ASGI application: limits → caller → signature → JSON → dialect → signal → answer.

Nothing unverified is parsed, and any 2xx to a delivery means that Temporal has acknowledged the event or that
it concerns no running agreement. Refusals say nothing but their status.
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

from countersign.webhooks.adapter import ParsedDelivery
from countersign.webhooks.body import read_body
from countersign.webhooks.callers import Callers
from countersign.webhooks.delivery import Delivery
from countersign.webhooks.endpoint import Endpoint
from countersign.webhooks.journal import Journal, expect
from countersign.webhooks.outcome import RETRY_AFTER_SECONDS, DeliveryOutcome
from countersign.webhooks.refusal import RefusedError

BODY_LIMIT: Final = 65_536
"""Bytes of a delivery: providers send a few KB, and Standard Webhooks advises to stay below 20 KB."""
ANSWER_SECONDS: Final = 4.5
"""From a request that is whole to its answer: reading secrets again and Temporal's time-out may add up."""

_UNREAD: Final = frozenset(
    {
        DeliveryOutcome.AMBIGUOUS,
        DeliveryOutcome.ENCODED,
        DeliveryOutcome.TOO_LARGE,
        DeliveryOutcome.WRONG_CALLER,
    }
)
"""Refused with the body still to come; it is not waited for."""


class Receiver:
    """Answers deliveries.

    Args:
        delivery: Where verified events go.
        journal: Where verdicts are counted and logged.
        callers: Who may deliver.
    """

    def __init__(self, delivery: Delivery, journal: Journal, callers: Callers) -> None:
        self._delivery = delivery
        self._journal = journal
        self._callers = callers

    def route(self, endpoint: Endpoint) -> Route:
        """Make an endpoint's route."""
        expect(endpoint.adapter.name)

        async def receive(request: Request) -> Response:
            with bound_contextvars(request_id=uuid4().hex):
                return _answer(await self._receive(endpoint, request))

        return Route(f"/webhooks/{endpoint.adapter.name}", receive, methods=["POST"])

    async def _receive(self, endpoint: Endpoint, request: Request) -> DeliveryOutcome:
        started = time.perf_counter()
        name = endpoint.adapter.name
        try:
            self._check_caller(request)
            body = await read_body(request, BODY_LIMIT)
            parsed, outcome = await self._decide(endpoint, request, body)
        except RefusedError as refused:
            self._journal.refused(name, refused.outcome, caller=refused.caller)
            return refused.outcome
        except Exception as error:  # noqa: BLE001 (a defect must neither lose an event nor tell a stranger)
            self._journal.failed(name, error)
            return DeliveryOutcome.FAILED
        self._journal.accepted(name, outcome, parsed, seconds=time.perf_counter() - started)
        return outcome

    async def _decide(
        self, endpoint: Endpoint, request: Request, body: bytes
    ) -> tuple[ParsedDelivery | None, DeliveryOutcome]:
        """Verify, read and deliver, all within the time that a provider waits."""
        parsed = None
        headers = request.headers.raw
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await endpoint.verify(headers, body)
                parsed = endpoint.read(headers, body)
                return parsed, await self._delivery.deliver(parsed) if parsed else DeliveryOutcome.IGNORED
        except TimeoutError:
            return parsed, DeliveryOutcome.UNAVAILABLE

    def _check_caller(self, request: Request) -> None:
        peer = request.client.host if request.client else None
        forwarded = request.headers.getlist("x-forwarded-for")
        if not self._callers.admits(peer, forwarded):
            caller = self._callers.find(peer, forwarded)
            raise RefusedError(DeliveryOutcome.WRONG_CALLER, caller=str(caller or "not an address"))


def create_app(
    receiver: Receiver, endpoints: Iterable[Endpoint], *, is_ready: Callable[[], Awaitable[bool]]
) -> Starlette:
    """Build the application.

    Args:
        receiver: Answers the deliveries.
        endpoints: The configured providers.
        is_ready: Tells whether a delivery would get through now.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_request: Request) -> Response:
        return PlainTextResponse("ready\n") if await is_ready() else _answer(DeliveryOutcome.UNAVAILABLE)

    app = Starlette(
        routes=[
            *(receiver.route(endpoint) for endpoint in endpoints),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers={HTTPException: _refuse_request},
    )
    app.router.redirect_slashes = False
    return app


def _answer(outcome: DeliveryOutcome) -> Response:
    status = outcome.status
    if status == HTTPStatus.OK:
        return PlainTextResponse("accepted\n", status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return PlainTextResponse("try again\n", status, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return PlainTextResponse("refused\n", status, {"Connection": "close"} if outcome in _UNREAD else None)


async def _refuse_request(_request: Request, error: Exception) -> Response:
    """Refuse a wrong path or method, in the same words."""
    assert isinstance(error, HTTPException)  # noqa: S101 (the type that this handler is registered for)
    return PlainTextResponse("refused\n", error.status_code, {**(error.headers or {}), "Connection": "close"})
