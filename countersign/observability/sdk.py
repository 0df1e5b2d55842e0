"""The Temporal SDK's own metrics: workers, pollers, latencies, and what workflows count.

Its exporter listens on a port of its own; ours listens on the loopback address only, and `monitor.py` passes
on what it says, so that each process is one target for Prometheus.
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
    """A runtime that exports metrics; made before the first client.

    Args:
        buckets: Buckets of histograms that workflows fill, by name without suffix.
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
        """Return all of them in Prometheus's text format; blocks.

        Raises:
            OSError: The exporter does not answer.
        """
        with urllib.request.urlopen(self._url, timeout=_TIMEOUT) as answer:  # noqa: S310 (our own loopback)
            page: bytes = answer.read()
        return page
