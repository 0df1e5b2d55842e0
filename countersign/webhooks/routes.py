"""Routes that verify and parse deliveries: an adapter and secrets for every provider; strict JSON."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from countersign.agreements.events import EventKind
from countersign.configuration import SettingsError, load, read
from countersign.providers.registry import accounts
from countersign.secrets.rotation import Rotating
from countersign.settings import ReceiverSettings, WebhookSettings, webhook_settings
from countersign.webhooks.adapter import ParsedDelivery, UnreadableError, WebhookAdapter, WorkflowDelivery
from countersign.webhooks.configured.adapter import AgreementAdapter, WorkflowAdapter
from countersign.webhooks.configured.route_file import AgreementRoute, WorkflowRoute, read_routes
from countersign.webhooks.outcome import DeliveryOutcome, RejectedDeliveryError
from countersign.webhooks.verification import Headers, Key, Verification, verify_signatures

DEPTH_LIMIT: Final = 32
"""Levels of nesting. Providers' payloads have 2 or 3."""
LEFT_OUT: Final = frozenset({EventKind.SENT, EventKind.VIEWED, EventKind.PARTIALLY_SIGNED})
"""The events that `WEBHOOK_EVENTS=essential` leaves out: no end and no signature depends on them."""
DIGIT_LIMIT: Final = 32
"""Characters of a number. A 64-bit integer has at most 20."""


class NotJsonError(Exception):
    """The bytes are not one JSON object in UTF-8 within the limits."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse one JSON object in UTF-8.

    Raises:
        NotJsonError: The bytes are not UTF-8 (the json module also accepts UTF-16 and UTF-32), are not an
            object, or contain a repeated key, `NaN`, an infinity (also as `1e999`), or numbers or nesting
            over the limits.
    """
    try:
        parsed = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):  # the decoder recurses
        raise NotJsonError from None
    if not isinstance(parsed, dict) or _is_deep(parsed):
        raise NotJsonError
    return parsed


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _reject(_literal: str) -> NoReturn:
    raise ValueError


def _finite(literal: str) -> float:
    if len(literal) > DIGIT_LIMIT or abs(number := float(literal)) == float("inf"):
        raise ValueError
    return number


def _short(literal: str) -> int:
    if len(literal) > DIGIT_LIMIT:
        raise ValueError
    return int(literal)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_reject, parse_float=_finite, parse_int=_short
)

RENEW_SECONDS: Final = 30
"""A mismatch reads the secrets again at most this often, because any caller can cause a mismatch."""
RENEW_TIMEOUT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class WebhookRoute:
    """`POST /webhooks/<name>`.

    Args:
        adapter: The provider's webhook format.
        secrets: The secrets that deliveries are signed with.
    """

    adapter: WebhookAdapter
    secrets: Rotating[WebhookSettings]

    @property
    def name(self) -> str:
        """The adapter's name, a label of the metrics."""
        return self.adapter.name

    @property
    def path(self) -> str:
        """The path of the URL."""
        return f"/webhooks/{self.name}"

    async def verify(self, headers: Headers, body: bytes) -> None:
        """Check the signature. After a mismatch, read the secrets again: they may have been rotated.

        Raises:
            RejectedDeliveryError: The delivery is unsigned, too old, or signed with another secret.
        """
        signed_message = self.adapter.signed_message(headers, body)
        now = time.time()
        settings = await self.secrets.get()
        verification = verify_signatures(signed_message, self._keys(settings, now), now=now)
        if verification is Verification.MISMATCH and await self._renew(settings):
            verification = verify_signatures(signed_message, self._keys(self.secrets.current, now), now=now)
        if verification is not Verification.VERIFIED:
            raise RejectedDeliveryError(DeliveryOutcome(verification))

    def parse(self, headers: Headers, body: bytes) -> ParsedDelivery | WorkflowDelivery | None:
        """Parse a verified body. Returns None if the event cannot concern a workflow, or is left out.

        Raises:
            RejectedDeliveryError: The body is not a JSON object, or an event lacks a required field.
        """
        try:
            parsed = self.adapter.read(headers, parse_object(body))
        except NotJsonError:
            raise RejectedDeliveryError(DeliveryOutcome.INVALID) from None
        except UnreadableError:
            raise RejectedDeliveryError(DeliveryOutcome.UNREADABLE) from None
        if parsed is None or self._leaves_out(parsed):
            return None
        received_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        update = {"received_at": received_at}
        if isinstance(parsed, WorkflowDelivery):
            return replace(parsed, event=parsed.event.model_copy(update=update))
        return replace(parsed, event=parsed.event.model_copy(update=update))

    def _leaves_out(self, parsed: ParsedDelivery | WorkflowDelivery) -> bool:
        """Whether the settings leave an agreement's event out; a configured route has a filter of its own."""
        if self.secrets.current.webhook_events == "all" or isinstance(parsed, WorkflowDelivery):
            return False
        return parsed.event.kind in LEFT_OUT

    def _keys(self, settings: WebhookSettings, now: float) -> list[Key]:
        accepted = settings.accepted(datetime.fromtimestamp(now, UTC))
        return [self.adapter.key(secret.get_secret_value()) for secret in accepted]

    async def _renew(self, mismatched: WebhookSettings) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(RENEW_TIMEOUT_SECONDS):
                return await self.secrets.renew(mismatched)
        return False


def open_routes(settings: ReceiverSettings) -> list[WebhookRoute]:
    """Open the routes of all accounts and of the file, and read their secrets.

    An account is left out if its secret is not set and the settings name a file with other routes.

    Args:
        settings: Names the file of further routes.

    Raises:
        SettingsError: The file or a secret is missing or invalid. The message lists all problems.
    """
    configured = accounts()
    in_file = read_routes(settings.routes, configured.keys()) if settings.routes else {}
    adapters: list[tuple[WebhookAdapter, type[WebhookSettings]]] = [
        (configured_adapter(name, route), webhook_settings(name)) for name, route in in_file.items()
    ]
    adapters += [
        (account.plugin.webhook_adapter(account.name), account.webhook_settings)
        for account in configured.values()
        if not in_file or _has_secret(account.webhook_settings)
    ]
    routes: list[WebhookRoute] = []
    problems: list[str] = []
    for adapter, kind in adapters:
        try:
            routes.append(_open_route(adapter, kind))
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    return routes


def configured_adapter(name: str, route: AgreementRoute | WorkflowRoute) -> WebhookAdapter:
    """Build the adapter of a route in the file."""
    return (
        AgreementAdapter(name, route) if isinstance(route, AgreementRoute) else WorkflowAdapter(name, route)
    )


def _has_secret(kind: type[WebhookSettings]) -> bool:
    return read(kind).where(kind.variable("webhook_secret")) is not None


def _open_route(adapter: WebhookAdapter, kind: type[WebhookSettings]) -> WebhookRoute:
    read_secrets = _reader(adapter, kind)
    return WebhookRoute(adapter, Rotating(read_secrets(), read_secrets, renew_seconds=RENEW_SECONDS))


def _reader(adapter: WebhookAdapter, kind: type[WebhookSettings]) -> Callable[[], WebhookSettings]:
    def read_secrets() -> WebhookSettings:
        (settings,) = load(kind)
        for secret in filter(None, (settings.webhook_secret, settings.webhook_secret_previous)):
            try:
                adapter.key(secret.get_secret_value())
            except ValueError as error:
                raise SettingsError(f"{kind.variable('webhook_secret')}: {error}") from None
        return settings

    return read_secrets
