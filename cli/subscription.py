"""The provider's webhook subscription: have it deliver to our receiver, and see whether it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from countersign.agreements.reference import test_document_id
from countersign.client.errors import BadInputError
from countersign.configuration import load, read
from countersign.connection import namespace
from countersign.loopback import LOOPBACK_HOSTS
from countersign.providers.port import DeliveredTest, SignatureProvider, Subscription, WebhookSubscription
from countersign.providers.registry import Account
from countersign.secrets.keeping import NowhereToKeepError, Place, place_for, rescue
from countersign.settings import CountersignSettings, WebhookSettings

OVERLAP: Final = timedelta(hours=1)
"""How long a replaced secret is still accepted: deliveries may have been signed with it before."""
VERIFIED: Final = "came through and verified"


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


def check_url(url: str, path: str, *, sandbox: bool) -> str:
    """Return the address of a receiver's endpoint.

    Args:
        url: As the user typed it.
        path: The account's path.
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
        raise BadInputError("--url: use https://host" + path)
    if parts.path != path or parts.query or parts.fragment:
        raise BadInputError(f"--url: must end in {path}, where the receiver takes this account's deliveries")
    return url


def api(account: Account, provider: SignatureProvider) -> WebhookSubscription:
    """Return the provider's API for webhooks.

    Raises:
        BadInputError: It has none.
    """
    if provider.webhooks is None:
        raise BadInputError(
            f"{account.plugin.kind} has no API for webhooks: in its web app, add https://<receiver>"
            f"{account.webhook_path} with a secret, and set {_secret(account)} to the same secret"
        )
    return provider.webhooks


async def set_up(account: Account, provider: SignatureProvider, url: str, *, new_secret: bool) -> Setup:
    """Add an address to the subscription, for every event, and keep a new secret.

    Args:
        account: The account.
        provider: Opened with an administrator's key.
        url: The receiver's endpoint.
        new_secret: Replace an existing secret.

    Raises:
        BadInputError: The provider has no API for webhooks, no place can keep the secret, or the secret is
            needed and not known.
    """
    webhooks, variable = api(account, provider), _secret(account)
    current = await webhooks.find()
    known = read(account.webhook_settings).value(variable)
    if current is not None and not new_secret:
        if known is None:
            raise BadInputError(
                f"the subscription is there, and its secret was shown only once: set {variable}, or make a "
                "new one with --new-secret (the old one stops at once, for every receiver)"
            )
        updated = await _extend(webhooks, current, url)
        return Setup(updated.urls, len(updated.events), None, None)
    place = _checked_place(variable)
    if current is None:
        secret = await webhooks.create(url)
        updated = await webhooks.find() or Subscription((url,), (), (), is_active=True)
    else:
        updated = await _extend(webhooks, current, url)
        secret = await webhooks.rotate_secret()
    made = Setup(updated.urls, len(updated.events), place.label, mask(secret))
    try:
        place.keep(_values(account.webhook_settings, secret, known))
    except OSError as error:
        file = rescue(variable, secret.get_secret_value())
        raise BadInputError(
            f"{place.label} cannot be written ({error.strerror}): the new secret is in {file}; move it to "
            f"where the receivers read {variable}"
        ) from None
    return made


async def remove(account: Account, provider: SignatureProvider, url: str) -> tuple[str, ...]:
    """Take an address away from the subscription; return those that are left.

    Raises:
        BadInputError: The provider has no API for webhooks, or the address is not subscribed, or is the last.
    """
    webhooks = api(account, provider)
    current = await _subscribed(webhooks, account)
    if url not in current.urls:
        raise BadInputError(f"--url: not subscribed; these are: {', '.join(current.urls)}")
    if len(current.urls) == 1:
        raise BadInputError("--url: it is the only address; subscribe another with `webhook setup` first")
    return (await webhooks.remove(current, url)).urls


async def try_out(account: Account, provider: SignatureProvider) -> tuple[DeliveredTest, ...]:
    """Have the provider deliver a test event to every address.

    Raises:
        BadInputError: No subscription exists, or the provider has no API for webhooks.
    """
    webhooks = api(account, provider)
    await _subscribed(webhooks, account)
    return await webhooks.test(own_test())


def own_test() -> str:
    """Return the document id of this environment's test events, by the settings here.

    Raises:
        ConnectionFailedError, SettingsError: The settings of Temporal cannot be read.
    """
    (general,) = load(CountersignSettings)
    return test_document_id(environment=general.environment, namespace=namespace())


def _secret(account: Account) -> str:
    return account.webhook_settings.variable("webhook_secret")


def is_verified(delivery: DeliveredTest) -> bool:
    """Return whether a receiver of this environment has taken a test event."""
    return delivery.http_status is not None and 200 <= delivery.http_status < 300  # noqa: PLR2004 (HTTP's classes)


def failures(deliveries: Sequence[DeliveredTest]) -> list[DeliveredTest]:
    """List the test events that were not taken.

    Environments may share a subscription: a receiver of another one is no failure beside one of this one.
    """
    bad = [delivery for delivery in deliveries if not is_verified(delivery)]
    own = [delivery for delivery in bad if delivery.http_status != HTTPStatus.MISDIRECTED_REQUEST]
    return own if len(bad) < len(deliveries) else bad


def explain(status: int | None, account: Account) -> str:
    """Return what a response of the receiver means."""
    if status is None:
        return "no response: is the receiver up, and can the provider reach it?"
    if 200 <= status < 300:  # noqa: PLR2004 (HTTP's classes)
        return VERIFIED
    (general,) = load(CountersignSettings)
    meanings = {
        HTTPStatus.MISDIRECTED_REQUEST: "arrived, and the receiver serves another environment than "
        f"{general.environment} or another namespace than {namespace()}: it ignores these agreements; its "
        "COUNTERSIGN_ENVIRONMENT and TEMPORAL_NAMESPACE must be the worker's",
        401: f"arrived, and its signature did not fit: the receiver's {_secret(account)} is not the "
        "subscription's, or a clock is off by more than 5 minutes",
        403: "arrived, and was not let in: see COUNTERSIGN_WEBHOOKS_ALLOWED_CALLERS",
        404: f"another server responded: the address must end in {account.webhook_path}",
        503: "arrived, and the receiver could not reach Temporal",
    }
    return meanings.get(status, "another server responded")


def mask(secret: SecretStr) -> str:
    """Show enough of a secret to recognise it, as the provider does."""
    text = secret.get_secret_value()
    return f"{text[:3]}***{text[-3:]}"


async def _subscribed(webhooks: WebhookSubscription, account: Account) -> Subscription:
    if (current := await webhooks.find()) is None:
        raise BadInputError(
            f"no subscription exists: run `webhook setup --url https://host{account.webhook_path}`"
        )
    return current


async def _extend(webhooks: WebhookSubscription, current: Subscription, url: str) -> Subscription:
    if url not in current.urls and len(current.urls) >= webhooks.url_limit:
        raise BadInputError(
            f"the subscription has {webhooks.url_limit} addresses already, the provider's limit"
        )
    return await webhooks.extend(current, url)


def _checked_place(variable: str) -> Place:
    try:
        place = place_for(variable)
        place.check()
    except NowhereToKeepError as error:
        raise BadInputError(str(error)) from None
    return place


def _values(kind: type[WebhookSettings], secret: SecretStr, known: str | None) -> dict[str, str]:
    values = {kind.variable("webhook_secret"): secret.get_secret_value()}
    if known is not None:
        until = datetime.now(UTC) + OVERLAP
        values[kind.variable("webhook_secret_previous")] = known
        values[kind.variable("webhook_secret_previous_until")] = until.isoformat(timespec="seconds")
    return values
