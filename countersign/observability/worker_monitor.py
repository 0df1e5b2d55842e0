"""How a worker is: does it run, does Temporal answer, what waits in its queues, is the provider well."""

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
    """Answers questions about a worker process.

    It is ready while its workers run and Temporal answers, whatever the circuit says: a worker that holds
    work back for an ill provider does its work, and replacing it would help nobody.

    Args:
        sdk: The Temporal SDK's metrics.
        workers: The workers of this process.
        readiness: Whether Temporal answers.
        backlog metrics: What waits in Temporal.
        circuit: The provider's circuit.
    """

    def __init__(
        self,
        sdk: SdkMetrics,
        *,
        workers: Sequence[Worker],
        readiness: Readiness,
        backlog_metrics: BacklogMetrics,
        circuit: Circuit,
    ) -> None:
        super().__init__("worker", sdk, readiness)
        self._workers = workers
        self._backlog_metrics = backlog_metrics
        self._circuit = circuit

    async def refresh(self) -> None:
        """Count what waits in Temporal."""
        await self._backlog_metrics.refresh()

    async def is_ready(self) -> bool:
        """Tell whether work would be taken now."""
        return all(worker.is_running for worker in self._workers) and await super().is_ready()

    async def describe(self) -> Mapping[str, Any]:
        """Tell how the worker is: version, readiness, circuit, queues."""
        return {
            **await super().describe(),
            "circuit": asdict(self._circuit.snapshot()),
            "queues": [asdict(queue) for queue in self._backlog_metrics.queues],
        }
