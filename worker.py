"""The worker: settings → clients → activities → workers, and a graceful stop.

    python worker.py

Two workers share the process: one for the workflows and the store, one for the provider.
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed("worker")

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.archive import ArchiveActivities
from activities.claims import ClaimActivities
from activities.documents import DocumentActivities
from activities.signatures import SignatureActivities
from countersign import entry
from countersign.agreements.messages import Sender, WaitingFor
from countersign.agreements.names import WORKFLOW_NAME, provider_task_queue
from countersign.configuration import SettingsError, load
from countersign.connection import ConnectionFailedError, connect
from countersign.eviction import EvictingRunner
from countersign.http_server.listening import CannotListenError
from countersign.observability import logging, tracing
from countersign.observability.backlog_metrics import BacklogMetrics, Queue
from countersign.observability.readiness import Readiness
from countersign.observability.sdk import SdkMetrics
from countersign.observability.worker_monitor import WorkerMonitor
from countersign.providers.slots import tuner
from countersign.providers.turbodocx import connection
from countersign.providers.turbodocx.connection import Provider
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings, TurboDocxSettings, WorkerSettings
from countersign.storage import Store, UnusableStoreError, open_store
from countersign.storage.store import StoreKeys
from workflows.agreement import AgreementWorkflow, metrics

_PASSED_THROUGH: Final = ("activities", "countersign", "httpx", "workflows")
"""Imported once, and not again for every agreement, which took half of a worker's time. A test of imports
(tests/test_imports.py) and the recorded histories keep workflows deterministic."""
CALLS_PER_STEP: Final = 3
"""Upper bound on provider calls per activity. Temporal limits activities per second, so `calls_per_second` is
divided by this. Only `search` (up to ten pages) exceeds it."""
CACHED_WORKFLOWS: Final = 1000
"""Agreements that a worker keeps in memory, the SDK's default; others are replayed when needed."""
BACKLOG_SECONDS: Final = 5.0
"""Cache time of the backlog metrics, which limits the queries of many scrapes."""
STICKY: Final = timedelta(seconds=5)
"""How long a workflow task waits for the worker that caches its agreement, before any worker takes it: the
delay after a worker is killed. The default of the SDKs for Go and Java; Python's is 10 s."""


def workflow_runner() -> WorkflowRunner:
    """Build the sandbox that workflows run in, here and in every test and replay."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def deployment(settings: WorkerSettings, task_queue: str) -> WorkerDeploymentConfig | None:
    """Report this build to Temporal if the settings name it; see docs/how-to/change-a-running-workflow.md.

    Workers of one task queue are one deployment. A deployment's name must not hold a dot.
    """
    if settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(task_queue.replace(".", "-"), settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior[settings.versioning.upper()],
    )


def workflow_worker(
    client: Client,
    store: Store,
    settings: CountersignSettings,
    *,
    build: WorkerDeploymentConfig | None = None,
    cached_workflows: int = CACHED_WORKFLOWS,
) -> Worker:
    """Build the worker of the workflows and of the activities that use the store alone."""
    keys = StoreKeys(settings.environment, client.namespace)
    claims = ClaimActivities(
        store,
        keys,
        time_scale=settings.time_scale,
        longest_check_wait=timedelta(hours=settings.check_interval_hours),
    )
    runner = EvictingRunner(workflow_runner())
    worker = Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[AgreementWorkflow],
        activities=[claims.claim, claims.release, claims.revoke_send],
        workflow_runner=runner,
        deployment_config=build,
        max_cached_workflows=cached_workflows,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_stop_seconds),
    )
    runner.evict_from(worker)
    return worker


def provider_worker(
    client: Client,
    provider: Provider,
    store: Store,
    settings: CountersignSettings,
    sender: Sender,
    *,
    build: WorkerDeploymentConfig | None = None,
) -> Worker:
    """Build the worker that calls the provider: not eager, with slots by the circuit."""
    documents = DocumentActivities(provider.client)
    keys = StoreKeys(settings.environment, client.namespace)
    signatures = SignatureActivities(provider.client, store, keys, sender)
    archive = ArchiveActivities(provider.client, store, keys)
    return Worker(
        client,
        task_queue=provider_task_queue(settings.task_queue),
        activities=[
            documents.generate,
            signatures.send,
            signatures.identify,
            signatures.search,
            signatures.check,
            signatures.void,
            signatures.remind,
            archive.archive,
        ],
        tuner=tuner(provider.slots),
        deployment_config=build,
        max_task_queue_activities_per_second=_steps_per_second(provider.calls_per_second),
        disable_eager_activity_execution=True,
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_stop_seconds),
    )


def _steps_per_second(calls_per_second: float | None) -> float | None:
    return None if calls_per_second is None else calls_per_second / CALLS_PER_STEP


def backlog_metrics(client: Client, task_queue: str) -> BacklogMetrics:
    """Build the metrics of agreements and tasks that wait in Temporal."""
    return BacklogMetrics(
        client,
        workflow_type=WORKFLOW_NAME,
        waiting_for=tuple(cause for cause in WaitingFor if cause is not WaitingFor.NO_ONE),
        queues=(
            Queue(task_queue, "workflow"),
            Queue(task_queue, "activity"),
            Queue(provider_task_queue(task_queue), "activity"),
        ),
        seconds=BACKLOG_SECONDS,
    )


async def run() -> int:
    """Run the workers until cancelled, then finish running activities within the settings' time.

    Raises:
        SettingsError: A setting is missing or cannot work.
        ConnectionFailedError: Temporal does not respond.
        UnusableStoreError: The store cannot be opened.
        CannotListenError: The address of the metrics is taken.
    """
    own, options, theirs, watched = load(
        CountersignSettings, ProviderSettings, TurboDocxSettings, WorkerSettings
    )
    logging.configure(level=own.log_level, service="worker")
    store = open_store(own.store)
    sdk = SdkMetrics(metrics.BUCKETS) if watched.metrics_port is not None else None
    client = await connect(interceptors=tracing.interceptors("worker"), runtime=sdk.runtime if sdk else None)
    sender = Sender(name=theirs.sender_name, email=theirs.sender_email)
    async with AsyncExitStack() as open_things:
        provider = await open_things.enter_async_context(
            connection.open_provider(Rotating(theirs), options, slots=own.provider_slots)
        )
        build = deployment(watched, own.task_queue)
        workers = (
            workflow_worker(client, store, own, build=build),
            provider_worker(client, provider, store, own, sender, build=build),
        )
        if sdk is not None and watched.metrics_port is not None:
            monitor = WorkerMonitor(
                sdk,
                workers=workers,
                readiness=Readiness(client),
                backlog_metrics=backlog_metrics(client, own.task_queue),
                circuit=provider.circuit,
            )
            await open_things.enter_async_context(
                monitor.server(own.metrics_host, watched.metrics_port).running()
            )
        for worker in workers:
            await open_things.enter_async_context(worker)
        open_things.push_async_callback(provider.slots.drain)
        print("worker ready", flush=True)  # noqa: T201  # the parent process waits for this line
        await asyncio.Event().wait()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; returns the exit code."""
    argparse.ArgumentParser(
        prog="python worker.py",
        description="Run the workflows and the provider's activities until SIGINT or SIGTERM.",
    ).parse_args(arguments)
    logging.configure(service="worker")
    try:
        return entry.run(run())
    except (SettingsError, ConnectionFailedError, UnusableStoreError, CannotListenError) as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201  # for the caller
        return 2


if __name__ == "__main__":
    entry.leave(main())
