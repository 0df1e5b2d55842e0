"""The organisation's webhook subscription at TurboDocx: one, by the fixed name `signature`.

Every call needs a key with the administrator role; the response to any other key is a 403 without a body.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from countersign.providers.calls import Call
from countersign.providers.transport import Transport
from countersign.providers.turbodocx.models import (
    Webhook,
    WebhookDeliveries,
    WebhookSecret,
    WebhookTest,
)

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

NAME: Final = "signature"


class Subscription:
    """Set up, test and read the subscription.

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
        )
        return await self._transport.request(call, parse)


def _data(model: type[M]) -> Callable[[Any], M]:
    # Two revisions of the contract: some answers come bare, some as {"data": ...}
    return lambda body: model.model_validate(body.get("data", body))
