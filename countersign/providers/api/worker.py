"""The worker of the activities that call one API: a queue of their own, slots by the circuit, and a rate."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

from temporalio.client import Client
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    Worker,
    WorkerDeploymentConfig,
)

from countersign import __version__
from countersign.providers.retry_table import provider_errors
from countersign.providers.slots import DRAIN_SECONDS, CircuitSlots, tuner

GRACEFUL_STOP_SECONDS: Final = 150.0
"""How long a stopping worker lets calls finish; more than the longest write."""


class Api(Protocol):
    """What the worker needs of an API: an `ApiClient`, or an open account of a provider."""

    @property
    def slots(self) -> CircuitSlots:
        """The worker's slots."""

    @property
    def calls_per_second(self) -> float | None:
        """The limit for all workers together; None for no limit."""


def api_worker(
    client: Client,
    api: Api,
    *,
    task_queue: str,
    activities: Sequence[Callable[..., Any]],
    calls_per_activity: int = 1,
    graceful_stop_seconds: float = GRACEFUL_STOP_SECONDS,
    drain_seconds: float = DRAIN_SECONDS,
    build: WorkerDeploymentConfig | None = None,
) -> Worker:
    """Build the worker of the activities that call one API; no other worker may serve its task queue.

    While the circuit is open the worker takes no activities: they wait in Temporal and use no attempts.
    A `ProviderError` that an activity raises fails it as `countersign/providers/retry_table.py` says.

    Args:
        client: The connection to Temporal.
        api: The API.
        task_queue: The queue of these activities alone.
        activities: The activities.
        calls_per_activity: Upper bound on calls per activity. Temporal limits activities per second, so the
            rate is divided by this.
        graceful_stop_seconds: How long a stopping worker lets calls finish.
        drain_seconds: How long it waits before that for tasks that Temporal may be handing to it. An idle
            worker waits that long. 0 is for tests: a task that is lost comes back after its time-out only.
        build: This build's id, for worker versioning.
    """
    rate = api.calls_per_second
    return _ApiWorker(
        client,
        slots=api.slots,
        drain_seconds=drain_seconds,
        task_queue=task_queue,
        activities=activities,
        tuner=tuner(api.slots),
        interceptors=[_ProviderErrors()],
        **build_options(build),
        max_task_queue_activities_per_second=None if rate is None else rate / calls_per_activity,
        disable_eager_activity_execution=True,  # eager ones pass by the queue, its rate and its slots
        graceful_shutdown_timeout=timedelta(seconds=graceful_stop_seconds),
    )


def build_options(build: WorkerDeploymentConfig | None) -> dict[str, Any]:
    """Name a worker's build. By default the SDK hashes all modules, which takes long and fills histories."""
    return {"build_id": __version__} if build is None else {"deployment_config": build}


class _ApiWorker(Worker):
    """A worker that drains its polls before it stops."""

    def __init__(self, client: Client, *, slots: CircuitSlots, drain_seconds: float, **options: Any) -> None:
        super().__init__(client, **options)
        self._slots = slots
        self._drain_seconds = drain_seconds

    async def shutdown(self) -> None:
        await self._slots.drain(self._drain_seconds)
        await super().shutdown()


class _ProviderErrors(Interceptor):
    def intercept_activity(
        self,
        next: ActivityInboundInterceptor,  # noqa: A002  # the SDK's signature
    ) -> ActivityInboundInterceptor:
        return _ProviderErrorsOfActivity(next)


class _ProviderErrorsOfActivity(ActivityInboundInterceptor):
    async def execute_activity(
        self,
        input: ExecuteActivityInput,  # noqa: A002  # the SDK's signature
    ) -> Any:
        with provider_errors():
            return await super().execute_activity(input)
