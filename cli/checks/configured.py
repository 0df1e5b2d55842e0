"""Settings and secrets: do they work, and where do they come from?"""

from collections.abc import Iterator

from countersign.configuration import Settings, SettingsError, is_secret, load, read
from countersign.providers.registry import Account, accounts
from countersign.settings import (
    PRODUCTION,
    ApiSettings,
    CallbackSettings,
    CodecServerSettings,
    CountersignSettings,
    EncryptionSettings,
    NoticeSettings,
    ProviderSettings,
    ReceiverSettings,
    WorkerSettings,
)

from .finding import Finding, failed, ok, warning

_NEEDED = (CountersignSettings, ProviderSettings, WorkerSettings, ReceiverSettings)
_SET_AT_WILL = (ApiSettings, CallbackSettings, NoticeSettings, EncryptionSettings, CodecServerSettings)
_SETTINGS, _SECRETS = "settings", "secret"


def check_settings() -> Iterator[Finding]:
    """Return what cannot work, one line each, or how many settings are set."""
    try:
        by_account: list[type[Settings]] = [account.settings for account in accounts().values()]
        kinds: list[type[Settings]] = [*_NEEDED, *by_account, *_SET_AT_WILL]
        load(*kinds)
    except SettingsError as error:
        for sentence in str(error).splitlines()[1:]:
            yield failed(_SETTINGS, sentence.strip(), "see docs/reference/settings.md")
        return
    lookup = read(*kinds)
    variables = dict.fromkeys(kind.variable(name) for kind in kinds for name in kind.model_fields)
    given = sum(lookup.where(variable) is not None for variable in variables)
    yield ok(_SETTINGS, f"{given} set, {len(variables) - given} at their defaults")


def check_secrets() -> Iterator[Finding]:
    """Return where every secret comes from, never its value."""
    try:
        configured = accounts().values()
    except SettingsError:  # reported above
        return
    by_account = [kind for account in configured for kind in (account.settings, account.webhook_settings)]
    for kind in (*by_account, *_SET_AT_WILL):
        lookup = read(kind)
        for name in (field for field, about in kind.model_fields.items() if is_secret(about)):
            place = lookup.where(kind.variable(name))
            if place is not None:
                yield ok(_SECRETS, f"{kind.variable(name)} from {place}")
    for account in configured:
        yield from _missing_webhook_secret(account)
    yield from _missing_encryption()


def _missing_webhook_secret(account: Account) -> Iterator[Finding]:
    try:
        load(account.webhook_settings)
    except SettingsError as error:
        for sentence in str(error).splitlines()[1:]:
            yield warning(
                _SECRETS, f"{sentence.strip()} here", "the webhook receiver needs it, on its machine"
            )


def _missing_encryption() -> Iterator[Finding]:
    variable = EncryptionSettings.variable("keys")
    if read(EncryptionSettings).where(variable) is None and _environment() == PRODUCTION:
        yield warning(
            _SECRETS,
            f"{variable} is not set: Temporal keeps names, addresses and titles in plain text",
            "set it on every worker, receiver and starter; see docs/explanation/security.md",
        )


def _environment() -> str | None:
    return read(CountersignSettings).value(CountersignSettings.variable("environment"))


def loaded(kind: type[Settings]) -> bool:
    """Return whether settings of a kind work."""
    try:
        load(kind)
    except SettingsError:
        return False
    return True
