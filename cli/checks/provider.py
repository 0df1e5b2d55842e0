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
from countersign.configuration import SettingsError, load
from countersign.connection import ConnectionFailedError
from countersign.providers.errors import ProviderError, UnauthorizedError
from countersign.providers.port import SignatureProvider, Subscription, WebhookSubscription
from countersign.providers.registry import Account, accounts
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings

from .. import subscription
from .configured import loaded
from .finding import Finding, failed, ok, skipped, warning

_KEY, _ROLE, _CLOCK = "provider's key", "key's role", "clock"
_SUBSCRIPTION, _TEST = "webhook subscription", "test event"
_PATIENCE: Final = 10
_SKEW_SECONDS: Final = 60
"""The receiver rejects deliveries older than 300 s. Beyond a minute, a person should check the clock."""

_now = time.time


async def check_provider(*, send_test_event: bool) -> AsyncIterator[Finding]:
    """Check every account: the key, its role, the clock and the webhooks.

    Args:
        send_test_event: Have the provider deliver a test event to every address of the subscription.
    """
    try:
        configured = accounts()
    except SettingsError:
        yield skipped(_KEY, "the accounts' settings cannot work")
        return
    for account in configured.values():
        async for finding in _account(account, send_test_event=send_test_event):
            yield finding if len(configured) == 1 else _of(account, finding)


def _of(account: Account, finding: Finding) -> Finding:
    return finding.model_copy(update={"found": f"{account.name}: {finding.found}"})


async def _account(account: Account, *, send_test_event: bool) -> AsyncIterator[Finding]:
    if not loaded(account.settings) or not loaded(ProviderSettings):
        yield skipped(_KEY, "the provider's settings cannot work")
        return
    settings, options = load(account.settings, ProviderSettings)
    yield await _clock(settings.base_url)
    provider = account.plugin.connect(account.name, Rotating(settings), options)
    try:
        async with explained_by_provider(provider):
            await provider.probe()
    except CommandError as error:
        variable = account.settings.variable("base_url")
        yield failed(_KEY, str(error), f"{variable} is {settings.base_url}")
    else:
        yield ok(_KEY, f"good at {settings.base_url}")
        async for finding in _webhooks(account, provider, send_test_event=send_test_event):
            yield finding
    finally:
        await provider.close()


async def _webhooks(
    account: Account, provider: SignatureProvider, *, send_test_event: bool
) -> AsyncIterator[Finding]:
    if provider.webhooks is None:
        yield skipped(
            _SUBSCRIPTION, f"the provider has no API for webhooks: add {account.webhook_path} in its web app"
        )
        return
    try:
        found = await provider.webhooks.find()
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
    yield _judge(account, found)
    if found is not None and send_test_event:
        yield await _test_event(account, provider, provider.webhooks)


def _judge(account: Account, found: Subscription | None) -> Finding:
    setup = f"countersign webhook setup --url https://<receiver>{account.webhook_path}"
    if found is None:
        return failed(_SUBSCRIPTION, "none: agreements learn of signatures by polling only", setup)
    if not found.is_active:
        return failed(_SUBSCRIPTION, "it is switched off", setup)
    if found.missing:
        return failed(_SUBSCRIPTION, f"it lacks {', '.join(found.missing)}", setup)
    return ok(_SUBSCRIPTION, f"{len(found.events)} events to {', '.join(found.urls)}")


async def _test_event(
    account: Account, provider: SignatureProvider, webhooks: WebhookSubscription
) -> Finding:
    try:
        document_id = subscription.own_test()
    except (ConnectionFailedError, SettingsError):
        return skipped(_TEST, "the settings cannot work")
    try:
        async with explained_by_provider(provider):
            deliveries = await webhooks.test(document_id)
    except CommandError as error:
        return failed(_TEST, str(error), "try again")
    if bad := subscription.failures(deliveries):
        reported = "; ".join(
            f"{delivery.url}: {subscription.explain(delivery.http_status, account)}" for delivery in bad
        )
        advice = "see the receiver's log"
        if len(deliveries) > 1:
            advice += "; for an address that is wrong: countersign webhook remove --url <address>"
        return failed(_TEST, reported, advice)
    if not deliveries:
        return failed(_TEST, "the provider delivered it nowhere", "see the receiver's log")
    others = len(deliveries) - sum(map(subscription.is_verified, deliveries))
    where = "its address" if len(deliveries) == 1 else f"all {len(deliveries)} addresses"
    if others:
        where = f"{len(deliveries) - others} of {len(deliveries)} addresses; {others} of other environments"
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
