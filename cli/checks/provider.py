"""Check the provider: its response, the key and its role, the clock, the webhooks."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Final

from countersign.client.errors import CommandError
from countersign.client.provider import explained_by_provider
from countersign.configuration import load
from countersign.providers.errors import ProviderError, UnauthorizedError
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.connection import connect
from countersign.providers.turbodocx.models import Webhook
from countersign.providers.turbodocx.webhook import KINDS
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings, TurboDocxSettings

from .. import subscription
from .configured import loaded
from .finding import Finding, failed, ok, skipped, warning

_KEY, _ROLE, _CLOCK = "provider's key", "key's role", "clock"
_SUBSCRIPTION, _TEST = "webhook subscription", "test event"
_SETUP: Final = "countersign webhook setup --url https://<receiver>/webhooks/turbodocx"
_PATIENCE: Final = 10
_SKEW_SECONDS: Final = 60
"""The receiver rejects deliveries older than 300 s. Beyond a minute, a person should check the clock."""

_now = time.time


async def check_provider(*, send_test_event: bool) -> AsyncIterator[Finding]:
    """Check the key, its role, the clock and the webhooks.

    Args:
        send_test_event: Have the provider deliver a test event to every address of the subscription.
    """
    if not loaded(TurboDocxSettings) or not loaded(ProviderSettings):
        yield skipped(_KEY, "the provider's settings cannot work")
        return
    settings, options = load(TurboDocxSettings, ProviderSettings)
    yield await _clock(settings.base_url)
    async with connect(Rotating(settings), options) as client:
        try:
            async with explained_by_provider():
                await client.probe()
        except CommandError as error:
            yield failed(_KEY, str(error), f"TURBODOCX_BASE_URL is {settings.base_url}")
            return
        yield ok(_KEY, f"good at {settings.base_url}")
        async for finding in _webhooks(client, send_test_event=send_test_event):
            yield finding


async def _webhooks(client: TurboDocxClient, *, send_test_event: bool) -> AsyncIterator[Finding]:
    try:
        found = await subscription.find(client)
    except UnauthorizedError:
        yield warning(
            _ROLE,
            "contributor: enough for agreements",
            "an administrator's key also sets up webhooks and finds a lost send in the delivery log",
        )
        yield skipped(_SUBSCRIPTION, "only an administrator's key may look")
        return
    except ProviderError as error:
        yield failed(_SUBSCRIPTION, str(error), "try again")
        return
    yield ok(_ROLE, "administrator")
    yield _judge(found)
    if found is not None and send_test_event:
        yield await _test_event(client)


def _judge(found: Webhook | None) -> Finding:
    if found is None:
        return failed(_SUBSCRIPTION, "none: agreements learn of signatures by polling only", _SETUP)
    missing = [kind for kind in KINDS if kind not in found.events]
    if not found.is_active:
        return failed(_SUBSCRIPTION, "it is switched off", _SETUP)
    if missing:
        return failed(_SUBSCRIPTION, f"it lacks {', '.join(missing)}", _SETUP)
    return ok(_SUBSCRIPTION, f"{len(found.events)} events to {', '.join(found.urls)}")


async def _test_event(client: TurboDocxClient) -> Finding:
    try:
        async with explained_by_provider():
            deliveries = await subscription.try_out(client)
    except CommandError as error:
        return failed(_TEST, str(error), "try again")
    bad = [
        delivery
        for delivery in deliveries
        if subscription.explain(delivery.http_status) != subscription.VERIFIED
    ]
    if bad or not deliveries:
        reported = "; ".join(f"{item.url}: {subscription.explain(item.http_status)}" for item in bad)
        return failed(_TEST, reported or "the provider delivered it nowhere", "see the receiver's log")
    where = "its address" if len(deliveries) == 1 else f"all {len(deliveries)} addresses"
    return ok(_TEST, f"arrived and verified at {where}")


async def _clock(base_url: str) -> Finding:
    try:
        skew = await asyncio.to_thread(_skew, base_url)
    except (OSError, ValueError, TypeError):
        return skipped(_CLOCK, "the provider sends no time")
    if abs(skew) > _SKEW_SECONDS:
        return failed(
            _CLOCK,
            f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the provider's",
            "synchronize it (NTP): the receiver rejects deliveries that are 5 minutes off",
        )
    return ok(_CLOCK, f"{abs(skew):.0f} s from the provider's")


def _skew(base_url: str) -> float:
    """Compare this machine's clock with the Date of a response; send no credentials.

    Raises:
        OSError: The provider does not respond.
        ValueError, TypeError: The response has no date.
    """
    request = urllib.request.Request(base_url + "/", method="HEAD")  # noqa: S310 (the settings allow only safe ones)
    started = _now()
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 (as above)
            date = answer.headers["Date"]
    except urllib.error.HTTPError as error:
        with error:
            date = error.headers["Date"]
    return (started + _now()) / 2 - parsedate_to_datetime(date).timestamp()
