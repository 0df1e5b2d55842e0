"""Every setting, in one group per role. A process checks all of its settings when it starts.

Accounts have groups of their own, by provider: see `countersign/providers/registry.py`.

Where values come from, and in which order, is in `configuration.py`. Temporal's own settings
(`TEMPORAL_ADDRESS`, ...) are read in `connection.py`.
"""

from typing import Final

from countersign.configuration import Settings, SettingsError, load
from countersign.settings.account import AccountSettings
from countersign.settings.api import ApiSettings
from countersign.settings.callbacks import CallbackSettings
from countersign.settings.encryption import CodecServerSettings, EncryptionSettings
from countersign.settings.environment import PRODUCTION
from countersign.settings.general import CountersignSettings
from countersign.settings.notices import NoticeSettings
from countersign.settings.provider import ProviderSettings
from countersign.settings.webhooks import ReceiverSettings, WebhookSettings, webhook_settings
from countersign.settings.worker import WorkerSettings

GROUPS: Final[tuple[type[Settings], ...]] = (
    CountersignSettings,
    ProviderSettings,
    WorkerSettings,
    EncryptionSettings,
    CodecServerSettings,
    ReceiverSettings,
    ApiSettings,
    CallbackSettings,
    NoticeSettings,
)
"""All groups, in the order that the documentation lists them."""

__all__ = [
    "GROUPS",
    "PRODUCTION",
    "AccountSettings",
    "ApiSettings",
    "CallbackSettings",
    "CodecServerSettings",
    "CountersignSettings",
    "EncryptionSettings",
    "NoticeSettings",
    "ProviderSettings",
    "ReceiverSettings",
    "Settings",
    "SettingsError",
    "WebhookSettings",
    "WorkerSettings",
    "load",
    "webhook_settings",
]
