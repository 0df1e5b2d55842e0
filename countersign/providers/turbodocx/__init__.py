"""TurboDocx: its wire contract, and the adapter behind which it stands."""

from countersign.providers.registry import Plugin
from countersign.providers.turbodocx.capabilities import CAPABILITIES
from countersign.providers.turbodocx.settings import TurboDocxSettings
from countersign.providers.turbodocx.webhook import TurboDocxWebhookAdapter

PLUGIN = Plugin(
    kind="turbodocx",
    name="TurboDocx",
    capabilities=CAPABILITIES,
    settings=TurboDocxSettings,
    adapter="countersign.providers.turbodocx.adapter",
    webhook_adapter=TurboDocxWebhookAdapter,
)
"""Makes the provider known to `registry.py`."""
