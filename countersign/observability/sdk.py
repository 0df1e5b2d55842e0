"""The Temporal SDK's metrics: workers, pollers, latencies, and the metrics of workflows.

The SDK's exporter needs a separate port. It listens on the loopback address, and `monitor.py` forwards its
page, so that a process is one target for Prometheus.
"""

import urllib.request
from collections.abc import Mapping, Sequence
from typing import Final

from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from countersign.free_ports import free_port
from countersign.loopback import LOOPBACK
from countersign.observability.core_logs import FORWARDED

_TIMEOUT: Final = 2


class SdkMetrics:
    """A runtime that exports metrics. Create it before the first client.

    Args:
        buckets: Buckets of the workflows' histograms, by name without suffix.
    """

    def __init__(self, buckets: Mapping[str, Sequence[float]] | None = None) -> None:
        address = f"{LOOPBACK}:{free_port()}"
        self._url = f"http://{address}/metrics"
        self.runtime = Runtime(
            telemetry=TelemetryConfig(
                logging=FORWARDED,
                metrics=PrometheusConfig(
                    bind_address=address,
                    # as the official dashboards expect
                    counters_total_suffix=True,
                    unit_suffix=True,
                    durations_as_seconds=True,
                    histogram_bucket_overrides=buckets,
                ),
            )
        )

    def page(self) -> bytes:
        """Return the metrics in Prometheus's text format. Blocks for up to 2 s.

        Raises:
            OSError: The exporter does not respond.
        """
        with urllib.request.urlopen(self._url, timeout=_TIMEOUT) as response:  # noqa: S310  # the loopback address
            page: bytes = response.read()
        return page
