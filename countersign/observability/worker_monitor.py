"""Health and status of a worker: its pollers, Temporal, its task queues, the provider's circuit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from temporalio.worker import Worker

from countersign.observability.backlog_metrics import BacklogMetrics
from countersign.observability.monitor import Monitor
from countersign.observability.readiness import Readiness
from countersign.observability.sdk import SdkMetrics
from countersign.providers.circuit import Circuit


class WorkerMonitor(Monitor):
    """Serves the metrics, health and status of a worker process.

    The process is ready while its workers run and Temporal can be reached, whatever the circuit's state: a
    worker that waits for an unavailable provider works as intended, and a new one would wait too.

    Args:
        sdk: The Temporal SDK's metrics.
        workers: The workers of this process.
        readiness: Checks the connection to Temporal.
        backlog_metrics: Counts the work that waits in Temporal.
        circuits: The circuits of the accounts, by name.
    """

    def __init__(
        self,
        sdk: SdkMetrics,
        *,
        workers: Sequence[Worker],
        readiness: Readiness,
        backlog_metrics: BacklogMetrics,
        circuits: Mapping[str, Circuit],
    ) -> None:
        super().__init__("worker", sdk, readiness)
        self._workers = workers
        self._backlog_metrics = backlog_metrics
        self._circuits = circuits

    async def refresh(self) -> None:
        """Count the work that waits in Temporal."""
        await self._backlog_metrics.refresh()

    async def is_ready(self) -> bool:
        """Return whether the workers poll and Temporal can be reached."""
        return all(worker.is_running for worker in self._workers) and await super().is_ready()

    async def describe(self) -> Mapping[str, Any]:
        """Return version, readiness, circuits and task queues."""
        return {
            **await super().describe(),
            "circuits": {name: asdict(circuit.snapshot()) for name, circuit in self._circuits.items()},
            "queues": [asdict(queue) for queue in self._backlog_metrics.queues],
        }
