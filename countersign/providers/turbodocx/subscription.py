"""The organisation's webhook subscription at TurboDocx: one, by the fixed name `signature`.

Every call needs a key with the administrator role; the response to any other key is a 403 without a body.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic import BaseModel, SecretStr

from countersign.agreements.events import EventKind
from countersign.providers.calls import Call
from countersign.providers.errors import RejectedError
from countersign.providers.port import DeliveredTest, Subscription
from countersign.providers.transport import Transport
from countersign.providers.turbodocx.models import (
    Webhook,
    WebhookDeliveries,
    WebhookSecret,
    WebhookTest,
)
from countersign.providers.turbodocx.webhook import KINDS
from countersign.settings.webhooks import WebhookEvents

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

NAME: Final = "signature"


_LEFT_OUT: Final = frozenset({EventKind.VIEWED, EventKind.PARTIALLY_SIGNED})
"""What a subscription to the essential events leaves out. Not `sent`, which the receiver drops: in the log of
deliveries it is the evidence of a send whose response was lost."""

_TEST_EVENT: Final = "signature.document.viewed"
_TEST_DATA: Final = {
    "title": "Countersign webhook test",
    "recipient_id": "00000000-0000-4000-8000-000000000000",
}
"""Belongs to no agreement, so the receiver verifies it and lets it go."""


class WebhookCalls:
    """The endpoints of the subscription.

    Args:
        transport: The connections, credentials and circuit.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self) -> Webhook:
        """Read the subscription; 404 if none exists."""
        return await self._ask("webhook_get", "GET", "", _data(Webhook))

    async def create(self, *, urls: Sequence[str], events: Sequence[str]) -> WebhookSecret:
        """Subscribe 1 to 10 https addresses to events; the secret is shown this once."""
        body = {"name": NAME, "urls": list(urls), "events": list(events)}
        call = Call(
            operation="webhook_create", method="POST", path="/api/webhooks", body=body, needs_role=True
        )
        return await self._transport.request(call, _data(WebhookSecret))

    async def update(
        self,
        *,
        urls: Sequence[str] | None = None,
        events: Sequence[str] | None = None,
        is_active: bool | None = None,
    ) -> Webhook:
        """Change what is given; lists replace the old ones."""
        change = {
            "urls": None if urls is None else list(urls),
            "events": None if events is None else list(events),
            "isActive": is_active,
        }
        body = {key: value for key, value in change.items() if value is not None}
        return await self._ask("webhook_update", "PATCH", "", _data(Webhook), body=body)

    async def regenerate_secret(self) -> WebhookSecret:
        """Make a new secret; the old one becomes invalid immediately."""
        return await self._ask("webhook_regenerate", "POST", "/regenerate", _data(WebhookSecret))

    async def test(self, event_type: str, payload: Mapping[str, Any]) -> WebhookTest:
        """Deliver a test event to every address."""
        body = {"eventType": event_type, "payload": dict(payload)}
        return await self._ask("webhook_test", "POST", "/test", _data(WebhookTest), body=body)

    async def deliveries(
        self, *, limit: int = 20, offset: int = 0, event_type: str | None = None
    ) -> WebhookDeliveries:
        """Read a page of the delivery log, newest first.

        The provider's other filters are left out on purpose: in production, asking for delivered ones
        answers the undelivered.
        """
        query: dict[str, str | int] = {"limit": limit, "offset": offset}
        if event_type is not None:
            query["eventType"] = event_type
        return await self._ask(
            "webhook_deliveries", "GET", "/deliveries", _data(WebhookDeliveries), query=query
        )

    async def _ask(
        self,
        operation: str,
        method: str,
        action: str,
        parse: Callable[[Any], T],
        *,
        body: Any = None,
        query: Mapping[str, str | int] | None = None,
    ) -> T:
        call = Call(
            operation=operation,
            method=method,
            path=f"/api/webhooks/{NAME}{action}",
            query=query or {},
            body=body,
            needs_role=True,
            counts=method != "GET",
        )
        return await self._transport.request(call, parse)


def _data(model: type[M]) -> Callable[[Any], M]:
    # Two revisions of the contract: some answers come bare, some as {"data": ...}
    return lambda body: model.model_validate(body.get("data", body))


class TurboDocxSubscription:
    """The subscription behind the port.

    Args:
        calls: The endpoints.
        events: All events, or the essential ones.
    """

    url_limit: Final = 10

    def __init__(self, calls: WebhookCalls, events: WebhookEvents = "all") -> None:
        self._calls = calls
        left_out = _LEFT_OUT if events == "essential" else frozenset()
        self._wanted = tuple(name for name, kind in KINDS.items() if kind not in left_out)
        self._unwanted = KINDS.keys() - set(self._wanted)

    async def find(self) -> Subscription | None:
        """Return the subscription; None if there is none."""
        try:
            return self._neutral(await self._calls.get())
        except RejectedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    async def create(self, url: str) -> SecretStr:
        """Subscribe an address to the events that we want; return the secret, which is shown once."""
        return (await self._calls.create(urls=[url], events=self._wanted)).secret

    async def extend(self, current: Subscription, url: str) -> Subscription:
        """Add an address and the missing events, leave the unwanted ones out, and switch it on."""
        urls, events = (
            dict.fromkeys(items) for items in ((*current.urls, url), (*current.events, *self._wanted))
        )
        kept = [event for event in events if event not in self._unwanted]
        return self._neutral(await self._calls.update(urls=list(urls), events=kept, is_active=True))

    async def remove(self, current: Subscription, url: str) -> Subscription:
        """Take away an address that is not the last: an empty list is rejected with 400."""
        return self._neutral(await self._calls.update(urls=[kept for kept in current.urls if kept != url]))

    async def rotate_secret(self) -> SecretStr:
        """Make a new secret; the old one becomes invalid at once."""
        return (await self._calls.regenerate_secret()).secret

    async def test(self, document_id: str) -> tuple[DeliveredTest, ...]:
        """Deliver a test event that belongs to no agreement to every address."""
        sent = await self._calls.test(_TEST_EVENT, {"document_id": document_id, **_TEST_DATA})
        return tuple(DeliveredTest(delivery.url, delivery.http_status) for delivery in sent.deliveries)

    def _neutral(self, found: Webhook) -> Subscription:
        missing = tuple(name for name in self._wanted if name not in found.events)
        return Subscription(found.urls, found.events, missing, found.is_active)
