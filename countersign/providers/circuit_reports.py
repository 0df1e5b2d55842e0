"""Answer an agreement's query `circuit` with the state of the worker's circuit: Temporal does not know it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.worker import (
    HandleQueryInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from countersign.agreements.messages import CircuitStatus
from countersign.agreements.names import CIRCUIT_QUERY
from countersign.providers.circuit import Circuit


class CircuitReports(Interceptor):
    """An interceptor of the worker of the workflows.

    A query changes nothing and is in no history, so its answer may be what only this process knows.

    Args:
        circuits: The circuits of this process, by account. Of another account, nothing is known.
    """

    def __init__(self, circuits: Mapping[str, Circuit]) -> None:
        self._circuits = circuits

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002  # the SDK's signature
    ) -> type[WorkflowInboundInterceptor]:
        """Return the class that answers the query."""
        circuits = self._circuits

        class Reports(WorkflowInboundInterceptor):
            async def handle_query(self, input: HandleQueryInput) -> Any:  # noqa: A002  # the SDK's signature
                if input.query == CIRCUIT_QUERY and input.args[0] in circuits:
                    return report(circuits[input.args[0]])
                return await super().handle_query(input)

        return Reports


def report(circuit: Circuit) -> CircuitStatus:
    """Return a circuit's state with times of the day."""
    now, snapshot = datetime.now(UTC), circuit.snapshot()
    wait = snapshot.probe_in
    return CircuitStatus(
        state=snapshot.state.value,
        reason=snapshot.reason,
        since=now - timedelta(seconds=snapshot.seconds),
        next_probe_at=None if wait is None else now + timedelta(seconds=wait),
    )
