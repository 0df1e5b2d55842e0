"""Which providers deliver here: TurboDocx, and those that a file describes."""

from countersign.configuration import SettingsError, read
from countersign.providers.standard_webhooks.webhook import StandardWebhooksAdapter
from countersign.providers.standard_webhooks.wording import read_wordings
from countersign.providers.turbodocx.webhook import TurboDocxWebhookAdapter
from countersign.settings import ReceiverSettings, WebhookSettings
from countersign.webhooks.adapter import WebhookAdapter
from countersign.webhooks.endpoint import Endpoint, open_endpoint


def open_endpoints(settings: ReceiverSettings) -> list[Endpoint]:
    """Read every provider's secrets. TurboDocx is left out if its secret is not set and others are there.

    Args:
        settings: Name the file of other providers, if there is one.

    Raises:
        SettingsError: Something is missing or cannot work; the message names all of it.
    """
    wordings = read_wordings(settings.providers) if settings.providers else {}
    wanted: list[tuple[WebhookAdapter, type[WebhookSettings]]] = [
        (StandardWebhooksAdapter(name, wording), secrets_of(name)) for name, wording in wordings.items()
    ]
    if not wanted or read(WebhookSettings).where(WebhookSettings.variable("webhook_secret")):
        wanted.append((TurboDocxWebhookAdapter(), WebhookSettings))
    return _open_all(wanted)


def secrets_of(name: str) -> type[WebhookSettings]:
    """Name the variables of a provider's secrets: `acme` → `ACME_WEBHOOK_SECRET` and so on."""

    class Secrets(WebhookSettings):
        __doc__ = WebhookSettings.__doc__
        prefix = f"{name.upper().replace('-', '_')}_"

    return Secrets


def _open_all(wanted: list[tuple[WebhookAdapter, type[WebhookSettings]]]) -> list[Endpoint]:
    opened: list[Endpoint] = []
    problems: list[str] = []
    for adapter, kind in wanted:
        try:
            opened.append(open_endpoint(adapter, kind))
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    return opened
