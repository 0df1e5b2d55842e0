"""The providers that are installed, and the accounts that are configured.

A provider is a package with a `PLUGIN`: one beside this module, or one of another distribution that names it
as an entry point of the group `countersign.providers`.
"""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from countersign import providers
from countersign.configuration import SettingsError, read
from countersign.providers.port import Capabilities, SignatureProvider
from countersign.settings.account import AccountSettings, prefix, read_accounts
from countersign.settings.general import CountersignSettings
from countersign.settings.webhooks import WebhookSettings, webhook_settings
from countersign.webhooks.adapter import WebhookAdapter

GROUP: Final = "countersign.providers"
_ADAPTER: Final = "adapter.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A provider.

    Args:
        kind: Its name in `COUNTERSIGN_ACCOUNTS`, for example `acme`.
        name: Its name for people.
        capabilities: What it can do.
        settings: What an account needs; its prefix is that of an account which is named like the kind.
        adapter: The module whose `connect(name, settings, options, *, gate, limits)` opens a
            `SignatureProvider`. It is imported when it is first needed: the receiver needs none.
        webhook_adapter: Makes the reader of its webhooks, for an account's name.
    """

    kind: str
    name: str
    capabilities: Capabilities
    settings: type[AccountSettings]
    adapter: str
    webhook_adapter: Callable[[str], WebhookAdapter]

    def connect(self, *args: Any, **options: Any) -> SignatureProvider:
        """Open an account; see `adapter`."""
        opened: SignatureProvider = import_module(self.adapter).connect(*args, **options)
        return opened


@dataclass(frozen=True, slots=True)
class Account:
    """A configured account: its name, its provider, and the classes of its settings.

    Args:
        name: Names its task queue, its webhook path and its metrics.
        plugin: The provider.
        settings: Key, address and the like, under the account's prefix.
        webhook_settings: The secrets of its webhooks, under the same prefix.
    """

    name: str
    plugin: Plugin
    settings: type[AccountSettings]
    webhook_settings: type[WebhookSettings]

    @property
    def webhook_path(self) -> str:
        """The path at which the receiver takes its deliveries."""
        return f"/webhooks/{self.name}"


@cache
def plugins() -> Mapping[str, Plugin]:
    """Find all providers, by kind."""
    found = {
        module.name: import_module(f"{providers.__name__}.{module.name}").PLUGIN
        for module in pkgutil.iter_modules(providers.__path__)
        if module.ispkg and any(Path(path, module.name, _ADAPTER).is_file() for path in providers.__path__)
    }
    others = {entry.name: entry.load() for entry in entry_points(group=GROUP)}
    return {**others, **found}


@cache
def account(name: str, kind: str) -> Account:
    """Return an account.

    Args:
        name: Its name; the prefix of its settings follows from it.
        kind: The kind of its provider.

    Raises:
        SettingsError: No such provider is installed.
    """
    plugin = plugins().get(kind)
    if plugin is None:
        known = ", ".join(sorted(plugins()))
        variable = CountersignSettings.variable("accounts")
        raise SettingsError.listing([f"{variable}: no provider {kind} is installed; there are {known}"])
    return Account(name, plugin, _settings(plugin.settings, name, kind), webhook_settings(name))


def _settings(kind: type[AccountSettings], name: str, plugin: str) -> type[AccountSettings]:
    if name == plugin:
        return kind
    return type(
        kind.__name__, (kind,), {"prefix": prefix(name), "__doc__": kind.__doc__, "__module__": __name__}
    )


def accounts() -> Mapping[str, Account]:
    """Return the configured accounts by name; the first one is the default.

    Raises:
        SettingsError: `COUNTERSIGN_ACCOUNTS` is malformed or names a provider that is not installed.
    """
    variable = CountersignSettings.variable("accounts")
    given = read(CountersignSettings).value(variable)
    try:
        pairs = (
            CountersignSettings.model_fields["accounts"].default if given is None else read_accounts(given)
        )
    except ValueError as error:
        raise SettingsError.listing([f"{variable}: {error}"]) from None
    return {name: account(name, kind) for name, kind in pairs}
