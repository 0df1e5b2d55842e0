"""The metrics that a process counts. Labels have few values and contain no personal data.

`workflows/agreement/metrics.py` has the metrics of workflows. `monitor.py` serves all metrics, with the
SDK's, and `docs/reference/metrics.md` lists them.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # not annotated; else it doubles the series

BUILD: Final = Gauge(
    "countersign_build_info", "1, with the version and the role of this process.", ["version", "role"]
)
WEBHOOKS: Final = Counter(
    "countersign_webhooks_total", "Webhook deliveries by dialect and verdict.", ["dialect", "verdict"]
)
WEBHOOK_DELAY: Final = Histogram(
    "countersign_webhook_delay_seconds",
    "Time from the provider's event to Temporal's acknowledgement.",
    ["dialect"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800),
)
API_REQUESTS: Final = Counter(
    "countersign_api_requests_total", "Requests to the HTTP API by route and status.", ["route", "status"]
)
API_SECONDS: Final = Histogram(
    "countersign_api_request_seconds",
    "Duration of requests to the HTTP API; long polls and downloads last long.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
API_REFUSED: Final = Counter(
    "countersign_api_refused_total", "Requests to the HTTP API that were refused, by reason.", ["reason"]
)
PROVIDER_CALLS: Final = Counter(
    "countersign_provider_calls_total",
    "Provider calls by operation and outcome.",
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
ARCHIVE_BYTES: Final = Counter("countersign_archive_bytes_total", "Bytes of signed documents archived.")
CALLBACKS: Final = Counter(
    "countersign_callbacks_total", "Attempts to call back, by target and outcome.", ["target", "outcome"]
)
AGREEMENTS_RUNNING: Final = Gauge(
    "countersign_agreements_running",
    "Running agreements by what they wait for; every worker reports the total.",
    ["waiting_for"],
)
AGREEMENTS_NEED_ATTENTION: Final = Gauge(
    "countersign_agreements_need_attention",
    "Running agreements that need a person; every worker reports the total.",
    ["namespace"],
)
AGREEMENTS_STUCK: Final = Gauge(
    "countersign_agreements_stuck",
    "Running agreements with a workflow task that keeps failing; every worker reports the total.",
    ["namespace"],
)
WATCHER_SILENT: Final = Gauge(
    "countersign_watcher_silent_seconds",
    "How long the account's watcher has not read what changes; 0 while it does, and if it never could.",
    ["provider"],
)
BACKLOG: Final = Gauge(
    "countersign_task_queue_backlog",
    "Tasks in a queue that wait for a worker; every worker reports the total.",
    ["task_queue", "kind", "provider"],
)
BACKLOG_AGE: Final = Gauge(
    "countersign_task_queue_backlog_age_seconds",
    "How long the oldest task of a queue has waited for a worker.",
    ["task_queue", "kind", "provider"],
)
