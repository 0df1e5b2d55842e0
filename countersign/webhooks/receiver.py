"""The receiver as an ASGI application: limits, caller, signature, JSON, event, signal, response.

The receiver parses nothing that is not signed. It responds 2xx only if Temporal has acknowledged the event or
the event concerns no running agreement. A response to a rejected delivery never explains the reason.
"""

import asyncio
import collections
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import cache
from http import HTTPStatus
from secrets import token_hex
from typing import Final

from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from countersign.agreements.events import SignatureEvent
from countersign.http_server.limits import RETRY_AFTER_SECONDS, RejectedRequestError, read_body
from countersign.observability.metrics import WEBHOOK_DELAY, WEBHOOKS
from countersign.webhooks.adapter import ParsedDelivery, WorkflowDelivery
from countersign.webhooks.admission import Admission
from countersign.webhooks.callers import Callers
from countersign.webhooks.delivery import Delivery
from countersign.webhooks.outcome import DeliveryOutcome, RejectedDeliveryError
from countersign.webhooks.routes import WebhookRoute

_log = logging.getLogger(__name__)

_LEVELS: Final = {
    DeliveryOutcome.CONTRADICTED: logging.ERROR,
    DeliveryOutcome.FORGOTTEN: logging.WARNING,
    DeliveryOutcome.NO_WORKFLOW: logging.WARNING,
    DeliveryOutcome.BUSY: logging.WARNING,
    DeliveryOutcome.UNAVAILABLE: logging.WARNING,
}


class Journal:
    """Counts and logs outcomes. A rejection, which any caller can cause, is logged at most once a second."""

    def __init__(self) -> None:
        self._unlogged: collections.Counter[tuple[str, DeliveryOutcome]] = collections.Counter()
        self._next_line: dict[tuple[str, DeliveryOutcome], float] = {}

    def accepted(
        self,
        adapter: str,
        outcome: DeliveryOutcome,
        parsed: ParsedDelivery | WorkflowDelivery | None,
        *,
        seconds: float,
    ) -> None:
        """Record the outcome of a verified delivery.

        Args:
            adapter: The adapter's name.
            outcome: What the delivery ended in.
            parsed: The delivery; None if it cannot concern a workflow.
            seconds: From the request to the response.
        """
        count(adapter, outcome)
        extra: dict[str, object] = {
            "dialect": adapter,
            "verdict": outcome.value,
            "milliseconds": round(seconds * 1000, 1),
        }
        if isinstance(parsed, WorkflowDelivery):
            extra |= {"event_id": parsed.event.id, "kind": parsed.event.kind}
        elif parsed is not None:
            event = parsed.event
            extra |= {"event_id": event.event_id, "kind": event.kind, "document_id": event.document_id}
            if outcome is DeliveryOutcome.SIGNALLED and (delay := _delay(event)) is not None:
                WEBHOOK_DELAY.labels(dialect=adapter).observe(delay)
        _log.log(_LEVELS.get(outcome, logging.INFO), "webhook %s", outcome.value, extra=extra)

    def rejected(self, adapter: str, outcome: DeliveryOutcome, *, caller: str | None = None) -> None:
        """Record a rejected delivery.

        Args:
            adapter: The adapter's name.
            outcome: The reason.
            caller: The caller's address, if that is the reason.
        """
        count(adapter, outcome)
        key = adapter, outcome
        self._unlogged[key] += 1
        if (now := time.monotonic()) < self._next_line.get(key, 0):
            return
        self._next_line[key] = now + 1
        extra = {"dialect": adapter, "verdict": outcome.value, "count": self._unlogged.pop(key)}
        if caller is not None:
            extra["caller"] = caller
        _log.warning("webhook rejected: %s", outcome.value, extra=extra)

    def failed(self, adapter: str, error: Exception) -> None:
        """Record a defect by its type and place: its message may quote the delivery."""
        count(adapter, DeliveryOutcome.FAILED)
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "nowhere"
        _log.error("webhook failed: %s at %s", type(error).__name__, where)


def expect(adapter: str) -> None:
    """Start an adapter's counters at zero. Prometheus sees no increase in a series that starts at one."""
    for outcome in DeliveryOutcome:
        _counter(adapter, outcome)


def count(adapter: str, outcome: DeliveryOutcome) -> None:
    """Count an outcome; `adapter` is `none` if the request did not reach a route."""
    _counter(adapter, outcome).inc()


@cache
def _counter(adapter: str, outcome: DeliveryOutcome) -> Counter:
    return WEBHOOKS.labels(dialect=adapter, verdict=outcome.value)


def _delay(event: SignatureEvent) -> float | None:
    """Return the seconds from the event, by the provider's clock, to now; None if its time is unknown."""
    try:
        occurred = datetime.fromisoformat(event.occurred_at or "")
    except ValueError:
        return None
    return max(0.0, time.time() - occurred.timestamp()) if occurred.tzinfo else None


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

        return Route(route.path, _Endpoint(self._receive, route), methods=["POST"])

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
    ) -> tuple[ParsedDelivery | WorkflowDelivery | None, DeliveryOutcome]:
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


class _Endpoint:
    """The ASGI application of a route. Starlette wraps a function in two more layers, for what it raises."""

    def __init__(
        self, receive: Callable[[WebhookRoute, Request], Awaitable[DeliveryOutcome]], route: WebhookRoute
    ) -> None:
        self._receive = receive
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        clear_contextvars()  # of an earlier request on this connection
        bind_contextvars(request_id=token_hex(16))
        response = _response(await self._receive(self._route, Request(scope, receive)))
        await response(scope, receive, send)


async def _read(request: Request) -> bytes:
    try:
        return await read_body(request, BODY_LIMIT)
    except RejectedRequestError as rejected:
        raise RejectedDeliveryError(DeliveryOutcome(rejected.rejection)) from None


@cache
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
