"""The provider's webhook subscription: have it deliver to our receiver, and see whether it does."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from countersign.client.errors import BadInputError
from countersign.configuration import read
from countersign.loopback import LOOPBACK_HOSTS
from countersign.providers.errors import RejectedError
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.models import Webhook, WebhookDelivery
from countersign.providers.turbodocx.webhook import KINDS, TurboDocxWebhookAdapter
from countersign.secrets.keeping import NowhereToKeepError, Place, place_for, rescue
from countersign.settings import WebhookSettings

PATH: Final = f"/webhooks/{TurboDocxWebhookAdapter.name}"
OVERLAP: Final = timedelta(hours=1)
"""How long a replaced secret is still accepted: deliveries may have been signed with it before."""
URL_LIMIT: Final = 10
"""The provider's limit of addresses per subscription."""

VERIFIED: Final = "came through and verified"
_SECRET: Final = WebhookSettings.variable("webhook_secret")
_PREVIOUS: Final = WebhookSettings.variable("webhook_secret_previous")
_UNTIL: Final = WebhookSettings.variable("webhook_secret_previous_until")
_TEST_EVENT: Final = "signature.document.viewed"
_TEST_DATA: Final = {
    "document_id": "00000000-0000-4000-8000-000000000000",
    "title": "Countersign webhook test",
    "recipient_id": "00000000-0000-4000-8000-000000000000",
}
"""Belongs to no agreement, so the receiver verifies it and lets it go."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What setting up a subscription came to.

    Args:
        urls: All addresses that it delivers to now.
        events: How many kinds of event it delivers.
        kept_in: The place of the new secret; None without a new one.
        secret: The new secret, masked.
    """

    urls: tuple[str, ...]
    events: int
    kept_in: str | None
    secret: str | None


def check_url(url: str, *, sandbox: bool) -> str:
    """Return the address of a receiver's endpoint.

    Args:
        url: As the user typed it.
        sandbox: The provider is a sandbox on this machine, which may use plain http to this machine.

    Raises:
        BadInputError: The provider could not deliver there, or the receiver does not listen there.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadInputError("--url: that is no address") from None
    local = sandbox and parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not parts.hostname or parts.username or (parts.scheme != "https" and not local):
        raise BadInputError("--url: use https://host" + PATH)
    if parts.path != PATH or parts.query or parts.fragment:
        raise BadInputError(f"--url: must end in {PATH}, where the receiver takes this provider's deliveries")
    return url


async def set_up(client: TurboDocxClient, url: str, *, new_secret: bool) -> Setup:
    """Add an address to the subscription, for every event, and keep a new secret.

    Args:
        client: With an administrator's key.
        url: The receiver's endpoint.
        new_secret: Replace an existing secret.

    Raises:
        BadInputError: No place can keep the secret, or the secret is needed and not known.
    """
    current = await find(client)
    known = read(WebhookSettings).value(_SECRET)
    if current is not None and not new_secret:
        if known is None:
            raise BadInputError(
                f"the subscription is there, and its secret was shown only once: set {_SECRET}, or make a "
                "new one with --new-secret (the old one stops at once, for every receiver)"
            )
        updated = await _update(client, current, url)
        return Setup(updated.urls, len(updated.events), None, None)
    place = _checked_place()
    if current is None:
        secret = (await client.webhooks.create(urls=[url], events=list(KINDS))).secret
        made = Setup((url,), len(KINDS), place.label, mask(secret))
    else:
        updated = await _update(client, current, url)
        secret = (await client.webhooks.regenerate_secret()).secret
        made = Setup(updated.urls, len(updated.events), place.label, mask(secret))
    try:
        place.keep(_values(secret, known))
    except OSError as error:
        file = rescue(_SECRET, secret.get_secret_value())
        raise BadInputError(
            f"{place.label} cannot be written ({error.strerror}): the new secret is in {file}; move it to "
            f"where the receivers read {_SECRET}"
        ) from None
    return made


async def try_out(client: TurboDocxClient) -> tuple[WebhookDelivery, ...]:
    """Have the provider deliver a test event to every address.

    Raises:
        BadInputError: No subscription exists.
    """
    if await find(client) is None:
        raise BadInputError(f"no subscription exists: run `webhook setup --url https://host{PATH}`")
    return (await client.webhooks.test(_TEST_EVENT, _TEST_DATA)).deliveries


def explain(status: int | None) -> str:
    """Return what a response of the receiver means."""
    if status is None:
        return "no response: is the receiver up, and can the provider reach it?"
    if 200 <= status < 300:  # noqa: PLR2004 (HTTP's classes)
        return VERIFIED
    return _MEANINGS.get(status, "another server responded")


_MEANINGS: Final = {
    401: f"arrived, and its signature did not fit: the receiver's {_SECRET} is not the subscription's, "
    "or a clock is off by more than 5 minutes",
    403: "arrived, and was not let in: see COUNTERSIGN_WEBHOOKS_ALLOWED_CALLERS",
    404: f"another server responded: the address must end in {PATH}",
    503: "arrived, and the receiver could not reach Temporal",
}


def mask(secret: SecretStr) -> str:
    """Show enough of a secret to recognise it, as the provider does."""
    text = secret.get_secret_value()
    return f"{text[:3]}***{text[-3:]}"


async def find(client: TurboDocxClient) -> Webhook | None:
    """Return the subscription, or None."""
    try:
        return await client.webhooks.get()
    except RejectedError as error:
        if error.status != 404:  # noqa: PLR2004 (not found)
            raise
        return None


async def _update(client: TurboDocxClient, current: Webhook, url: str) -> Webhook:
    urls = dict.fromkeys([*current.urls, url])
    if len(urls) > URL_LIMIT:
        raise BadInputError(f"the subscription has {URL_LIMIT} addresses already, the provider's limit")
    events = dict.fromkeys([*current.events, *KINDS])
    return await client.webhooks.update(urls=list(urls), events=list(events), is_active=True)


def _checked_place() -> Place:
    try:
        place = place_for(_SECRET)
        place.check()
    except NowhereToKeepError as error:
        raise BadInputError(str(error)) from None
    return place


def _values(secret: SecretStr, known: str | None) -> dict[str, str]:
    values = {_SECRET: secret.get_secret_value()}
    if known is not None:
        until = datetime.now(UTC) + OVERLAP
        values |= {_PREVIOUS: known, _UNTIL: until.isoformat(timespec="seconds")}
    return values
