"""One provider's way in: its dialect, and the secrets that its deliveries are signed with."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from countersign.configuration import SettingsError, load
from countersign.secrets.rotation import Rotating
from countersign.settings import WebhookSettings
from countersign.webhooks.adapter import ParsedDelivery, UnreadableError, WebhookAdapter
from countersign.webhooks.outcome import DeliveryOutcome
from countersign.webhooks.parsing import NotJsonError, parse_object
from countersign.webhooks.refusal import RefusedError
from countersign.webhooks.verification import Headers, Key, Verification, verify_signatures

RENEW_SECONDS: Final = 30
"""Mismatches make us read the secrets again this often at most: strangers can cause mismatches at will."""
RENEW_TIMEOUT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`POST /webhooks/<dialect.name>`."""

    adapter: WebhookAdapter
    secrets: Rotating[WebhookSettings]

    async def verify(self, headers: Headers, body: bytes) -> None:
        """Check the signature; a mismatch may be a rotation that we were not told of.

        Raises:
            RefusedError: It is not the provider's.
        """
        signed_message = self.adapter.signed_message(headers, body)
        now = time.time()
        settings = await self.secrets.get()
        checked = verify_signatures(signed_message, self._keys(settings, now), now=now)
        if checked is Verification.MISMATCH and await self._renew(settings):
            checked = verify_signatures(signed_message, self._keys(self.secrets.current, now), now=now)
        if checked is not Verification.VERIFIED:
            raise RefusedError(DeliveryOutcome(checked))

    def read(self, headers: Headers, body: bytes) -> ParsedDelivery | None:
        """Translate a verified body; None if it is nothing that could concern an agreement.

        Raises:
            RefusedError: It is not JSON, or a broken event.
        """
        try:
            parsed = self.adapter.read(headers, parse_object(body))
        except NotJsonError:
            raise RefusedError(DeliveryOutcome.INVALID) from None
        except UnreadableError:
            raise RefusedError(DeliveryOutcome.UNREADABLE) from None
        if parsed is None:
            return None
        received_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return ParsedDelivery(parsed.event.model_copy(update={"received_at": received_at}), parsed.title)

    def _keys(self, settings: WebhookSettings, now: float) -> list[Key]:
        accepted = settings.accepted(datetime.fromtimestamp(now, UTC))
        return [self.adapter.key(secret.get_secret_value()) for secret in accepted]

    async def _renew(self, refused: WebhookSettings) -> bool:
        with suppress(TimeoutError):
            return await asyncio.wait_for(self.secrets.renew(refused), RENEW_TIMEOUT_SECONDS)
        return False


def open_endpoint(adapter: WebhookAdapter, kind: type[WebhookSettings]) -> Endpoint:
    """Read a provider's secrets and make its endpoint.

    Args:
        adapter: How the provider signs.
        kind: Where its secrets are.

    Raises:
        SettingsError: A secret is missing, empty, or none of this dialect.
    """
    read = _reader(adapter, kind)
    return Endpoint(adapter, Rotating(read(), read, renew_seconds=RENEW_SECONDS))


def _reader(adapter: WebhookAdapter, kind: type[WebhookSettings]) -> Callable[[], WebhookSettings]:
    def read() -> WebhookSettings:
        (settings,) = load(kind)
        for secret in filter(None, (settings.webhook_secret, settings.webhook_secret_previous)):
            try:
                adapter.key(secret.get_secret_value())
            except ValueError as error:
                raise SettingsError(f"{kind.variable('webhook_secret')}: {error}") from None
        return settings

    return read
