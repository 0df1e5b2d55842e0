"""A provider that keeps its documents in memory."""

from countersign.providers.registry import Plugin
from memory_provider.capabilities import CAPABILITIES
from memory_provider.settings import MemorySettings
from memory_provider.webhook import MemoryWebhookAdapter

PLUGIN = Plugin(
    kind="memory",
    name="Memory",
    capabilities=CAPABILITIES,
    settings=MemorySettings,
    adapter="memory_provider.adapter",
    webhook_adapter=MemoryWebhookAdapter,
)
