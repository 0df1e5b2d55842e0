"""Every metric of our own, in one place. Labels are bounded and hold nothing personal."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

WEBHOOKS: Final = Counter(
    "countersign_webhooks_total", "Webhook deliveries by dialect and verdict.", ["dialect", "verdict"]
)
WEBHOOK_DELAY: Final = Histogram(
    "countersign_webhook_delay_seconds",
    "Time from the provider's event to Temporal's acknowledgement.",
    ["dialect"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800),
)
PROVIDER_CALLS: Final = Counter(
    "countersign_provider_calls_total",
    "Provider calls by operation and what they ended in.",
    ["provider", "operation", "outcome"],
)
PROVIDER_CALL_SECONDS: Final = Histogram(
    "countersign_provider_call_seconds", "Duration of provider calls.", ["provider", "operation"]
)
CIRCUIT_STATE: Final = Gauge(
    "countersign_circuit_state", "The provider's circuit: 1 for the state it is in.", ["provider", "state"]
)
CIRCUIT_CHANGES: Final = Counter(
    "countersign_circuit_changes_total", "Changes of the circuit's state.", ["provider", "state"]
)
AGREEMENTS: Final = Counter(
    "countersign_agreements_total",
    "Agreements that ended, by outcome and by what resolved them.",
    ["outcome", "resolved_by"],
)
ARCHIVE_BYTES: Final = Counter("countersign_archive_bytes_total", "Bytes of signed documents archived.")
