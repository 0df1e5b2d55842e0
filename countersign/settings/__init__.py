"""Every setting, in one group per role. A process checks all of its settings when it starts.

Where values come from, and in which order, is in `configuration.py`. Temporal's own settings
(`TEMPORAL_ADDRESS`, ...) are read in `connection.py`.
"""

from typing import Final

from countersign.configuration import Settings, SettingsError, load
from countersign.settings.encryption import CodecServerSettings, EncryptionSettings
from countersign.settings.environment import PRODUCTION
from countersign.settings.general import CountersignSettings
from countersign.settings.provider import ProviderSettings
from countersign.settings.turbodocx import LIVE_HOST, TurboDocxSettings
from countersign.settings.webhooks import ReceiverSettings, WebhookSettings
from countersign.settings.worker import WorkerSettings

GROUPS: Final[tuple[type[Settings], ...]] = (
    CountersignSettings,
    TurboDocxSettings,
    ProviderSettings,
    WorkerSettings,
    WebhookSettings,
    EncryptionSettings,
    CodecServerSettings,
    ReceiverSettings,
)
"""All groups, in the order that the documentation lists them."""

__all__ = [
    "GROUPS",
    "LIVE_HOST",
    "PRODUCTION",
    "CodecServerSettings",
    "CountersignSettings",
    "EncryptionSettings",
    "ProviderSettings",
    "ReceiverSettings",
    "Settings",
    "SettingsError",
    "TurboDocxSettings",
    "WebhookSettings",
    "WorkerSettings",
    "load",
]
