"""Documenso: its wire contract (API v2), and the adapter behind which it stands."""

from countersign.providers.documenso.capabilities import CAPABILITIES
from countersign.providers.documenso.settings import DocumensoSettings
from countersign.providers.documenso.webhook import DocumensoWebhookAdapter
from countersign.providers.registry import Plugin

PLUGIN = Plugin(
    kind="documenso",
    name="Documenso",
    capabilities=CAPABILITIES,
    settings=DocumensoSettings,
    adapter="countersign.providers.documenso.adapter",
    webhook_adapter=DocumensoWebhookAdapter,
)
"""Makes the provider known to `registry.py`."""
