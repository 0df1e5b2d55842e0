"""The worker: settings → clients → activities → workers, and a graceful stop.

    python worker.py

Several workers share the process: one for the workflows and the store, and one for every account.
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed("worker")

import argparse
import asyncio
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion, WorkflowIDConflictPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.archive import ArchiveActivities
from activities.batches import BatchActivities
from activities.callbacks import CallbackActivities
from activities.changes import ChangeActivities, UnwatchActivities
from activities.claims import ClaimActivities
from activities.documents import DocumentActivities
from activities.notices import NoticeActivities, ProblemActivities
from activities.signatures import SignatureActivities
from countersign import entry
from countersign.agreements.messages import WaitingFor
from countersign.agreements.names import (
    WORKFLOW_NAME,
    account_task_queue,
    callback_task_queue,
    notices_id,
    watcher_id,
)
from countersign.callbacks.sender import CallbackSender
from countersign.client.outcome import await_agreement
from countersign.configuration import SettingsError, load
from countersign.connection import ConnectionFailedError, connect
from countersign.eviction import EvictingRunner
from countersign.http_server.listening import CannotListenError
from countersign.notices.delivery import NoticeSender
from countersign.observability import logging, tracing
from countersign.observability.backlog_metrics import BacklogMetrics, Queue
from countersign.providers.api import api_worker, build_options
from countersign.providers.circuit import Circuit
from countersign.providers.circuit_reports import CircuitReports
from countersign.providers.open_account import OpenAccount, open_account
from countersign.providers.registry import Account, accounts
from countersign.providers.slots import DRAIN_SECONDS
from countersign.secrets.rotation import Rotating
from countersign.settings import (
    CallbackSettings,
    CountersignSettings,
    NoticeSettings,
    ProviderSettings,
    WorkerSettings,
)
from countersign.storage import Store, UnusableStoreError, open_store
from countersign.storage.store import StoreKeys
from countersign.watchers import Watchers
from countersign.webhooks.delivery import Markers
from workflows.agreement import AgreementWorkflow, metrics
from workflows.bulk import BulkWorkflow
from workflows.callbacks import CallbackWorkflow
from workflows.notices import NoticesState, NoticesWorkflow
from workflows.watcher import Watch, WatcherWorkflow

if TYPE_CHECKING:
    from countersign.observability.sdk import SdkMetrics
    from countersign.observability.worker_monitor import WorkerMonitor

_PASSED_THROUGH: Final = ("activities", "countersign", "httpx")
"""What the SDK's sandbox does not import again for every agreement. It does import `workflows/` again."""
CALLS_PER_STEP: Final = 3
"""Upper bound on provider calls per activity. Temporal limits activities per second, so `calls_per_second` is
divided by this. `search` (up to ten pages) exceeds it, and by one a send that generates anew."""
CACHED_WORKFLOWS: Final = 1000
"""Agreements that a worker keeps in memory, the SDK's default; others are replayed when needed."""
BACKLOG_SECONDS: Final = 5.0
"""Cache time of the backlog metrics, which limits the queries of many scrapes."""
CALLBACKS_AT_ONCE: Final = 50
"""Concurrent callbacks per worker. Each takes at most 10 s; others wait in Temporal."""
STICKY: Final = timedelta(seconds=5)
"""How long a workflow task waits for the worker that caches its agreement, before any worker takes it: the
delay after a worker is killed. The default of the SDKs for Go and Java; Python's is 10 s."""


def workflow_runner(*, sandboxed: bool) -> WorkflowRunner:
    """Build what runs the workflows.

    Args:
        sandboxed: Use the SDK's sandbox, which refuses what differs in a replay (time, random numbers,
            input and output) and gives every run its own modules. It costs a third of a worker's CPU. Tests
            run and replay every branch of the workflow in it, so production need not.
    """
    if not sandboxed:
        return UnsandboxedWorkflowRunner()
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
    configured: Mapping[str, Account],
    *,
    callbacks: CallbackSettings | None = None,
    notices: NoticeSettings | None = None,
    circuits: Mapping[str, Circuit] = MappingProxyType({}),
    build: WorkerDeploymentConfig | None = None,
    cached_workflows: int = CACHED_WORKFLOWS,
    sandboxed: bool = False,
) -> Worker:
    """Build the worker of the workflows and of the activities that use the store alone."""
    keys = StoreKeys(settings.environment, client.namespace)
    claims = ClaimActivities(
        store,
        keys,
        configured,
        time_scale=settings.time_scale,
        longest_check_wait=timedelta(hours=settings.check_interval_hours),
        callbacks=callbacks,
        watchers=Watchers(client, settings.task_queue, time_scale=settings.time_scale),
        converter=client.data_converter,
    )
    batches = BatchActivities(client, store, keys, task_queue=settings.task_queue)
    watchers = UnwatchActivities(client, settings.task_queue)
    problems = ProblemActivities(
        client, settings.task_queue, configured, circuits, notices or NoticeSettings()
    )
    runner = EvictingRunner(workflow_runner(sandboxed=sandboxed))
    worker = Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[AgreementWorkflow, BulkWorkflow, CallbackWorkflow, NoticesWorkflow, WatcherWorkflow],
        activities=[
            claims.claim,
            claims.release,
            claims.revoke_send,
            claims.record_end,
            await_agreement,
            batches.start_chunk,
            batches.void_chunk,
            watchers.unwatch,
            problems.find_problems,
        ],
        workflow_runner=runner,
        interceptors=[CircuitReports(circuits)],
        **build_options(build),
        max_cached_workflows=cached_workflows,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_stop_seconds),
    )
    runner.evict_from(worker)
    return worker


def provider_worker(
    client: Client,
    account: OpenAccount,
    store: Store,
    settings: CountersignSettings,
    *,
    build: WorkerDeploymentConfig | None = None,
    drain_seconds: float = DRAIN_SECONDS,
) -> Worker:
    """Build the worker that calls the provider with one account."""
    documents = DocumentActivities(account.provider, store)
    keys = StoreKeys(settings.environment, client.namespace)
    watchers = Watchers(client, settings.task_queue, time_scale=settings.time_scale)
    signatures = SignatureActivities(
        account.provider, store, keys, partial(watchers.is_watching, account.name)
    )
    changes = ChangeActivities(
        account.provider,
        account.name,
        client,
        Markers(environment=settings.environment, namespace=client.namespace),
        task_queue=settings.task_queue,
        interval=timedelta(seconds=settings.watch_seconds),
        time_scale=settings.time_scale,
    )
    archive = ArchiveActivities(account.provider, store, keys)
    return api_worker(
        client,
        account,
        task_queue=account_task_queue(settings.task_queue, account.name),
        activities=[
            documents.generate,
            signatures.send,
            signatures.identify,
            signatures.search,
            signatures.check,
            signatures.void,
            signatures.remind,
            archive.archive,
            changes.read_changes,
        ],
        calls_per_activity=CALLS_PER_STEP,
        graceful_stop_seconds=settings.graceful_stop_seconds,
        drain_seconds=drain_seconds,
        build=build,
    )


def callback_worker(
    client: Client,
    store: Store,
    settings: CountersignSettings,
    callbacks: CallbackSettings,
    *,
    notices: NoticeSettings | None = None,
    build: WorkerDeploymentConfig | None = None,
) -> Worker:
    """Build the worker that calls back, on a queue of its own: slow receivers keep no one else waiting."""
    sender = CallbackSender(private_networks=callbacks.private_networks)
    activities = CallbackActivities(sender, store, callbacks)
    delivery = NoticeActivities(NoticeSender(notices or NoticeSettings(), callbacks, sender))
    return Worker(
        client,
        task_queue=callback_task_queue(settings.task_queue),
        activities=[activities.call_back, delivery.deliver_notice],
        max_concurrent_activities=CALLBACKS_AT_ONCE,
        deployment_config=build,
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_stop_seconds),
    )


async def start_watchers(client: Client, settings: CountersignSettings, names: Iterable[str]) -> None:
    """Start the watchers of accounts; one that runs goes on, at no cost.

    A workflow, not a schedule: a schedule starts another workflow every minute, which costs an action more,
    fills the list of workflows and has no place for the position from which the next reading goes on.
    """
    for name in names:
        await client.start_workflow(
            WatcherWorkflow.run,
            Watch(account=name, time_scale=settings.time_scale),
            id=watcher_id(settings.task_queue, name),
            task_queue=settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"what changes at {name}",
        )


async def start_notices(client: Client, settings: CountersignSettings, notices: NoticeSettings) -> None:
    """Start the notices of every channel of the settings; those that run go on.

    A workflow, not a schedule, as for the watchers: it remembers of which problems it has notified operators.
    """
    for channel in notices.channels():
        await client.start_workflow(
            NoticesWorkflow.run,
            NoticesState(channel=channel, environment=settings.environment, time_scale=settings.time_scale),
            id=notices_id(settings.task_queue, channel),
            task_queue=settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"notices by {channel}",
        )


def backlog_metrics(client: Client, task_queue: str, names: Collection[str]) -> BacklogMetrics:
    """Build the metrics of agreements and tasks that wait in Temporal, for these accounts."""
    return BacklogMetrics(
        client,
        workflow_type=WORKFLOW_NAME,
        waiting_for=tuple(cause for cause in WaitingFor if cause is not WaitingFor.NO_ONE),
        queues=(
            Queue(task_queue, "workflow"),
            Queue(task_queue, "activity"),
            Queue(callback_task_queue(task_queue), "activity"),
            *(Queue(account_task_queue(task_queue, name), "activity", name) for name in names),
        ),
        seconds=BACKLOG_SECONDS,
        task_queue=task_queue,
        accounts=tuple(names),
    )


async def run(names: Collection[str] = ()) -> int:
    """Run the workers until cancelled, then finish running activities within the settings' time.

    Args:
        names: The accounts to serve; by default all that are configured.

    Raises:
        SettingsError: A setting is missing or cannot work.
        ConnectionFailedError: Temporal does not respond.
        UnusableStoreError: The store cannot be opened.
        CannotListenError: The address of the metrics is taken.
    """
    configured = accounts()
    served = _served(configured, names)
    kinds: list[type[Any]] = [account.settings for account in served]
    loaded: tuple[Any, ...] = load(
        CountersignSettings, ProviderSettings, WorkerSettings, CallbackSettings, NoticeSettings, *kinds
    )
    own: CountersignSettings = loaded[0]
    options: ProviderSettings = loaded[1]
    watched: WorkerSettings = loaded[2]
    callbacks: CallbackSettings = loaded[3]
    notices: NoticeSettings = loaded[4]
    if problem := notices.reach_problem(callbacks):
        raise SettingsError.listing([f"{NoticeSettings.variable('url')}: {problem}"])
    logging.configure(level=own.log_level, service="worker")
    store = open_store(own.store)
    sdk = _sdk_metrics() if watched.metrics_port is not None else None
    client = await connect(interceptors=tracing.interceptors("worker"), runtime=sdk.runtime if sdk else None)
    async with AsyncExitStack() as open_things:
        opened = [
            await open_things.enter_async_context(
                open_account(account, Rotating(settings), options, slots=own.provider_slots)
            )
            for account, settings in zip(served, loaded[5:], strict=True)
        ]
        build = deployment(watched, own.task_queue)
        circuits = {account.name: account.circuit for account in opened}
        workers = (
            workflow_worker(
                client,
                store,
                own,
                configured,
                callbacks=callbacks,
                notices=notices,
                circuits=circuits,
                build=build,
                sandboxed=watched.workflow_sandbox,
            ),
            *(provider_worker(client, account, store, own, build=build) for account in opened),
            callback_worker(client, store, own, callbacks, notices=notices, build=build),
        )
        if sdk is not None and watched.metrics_port is not None:
            backlog = backlog_metrics(client, own.task_queue, circuits)
            monitor = _monitor(sdk, client, workers, backlog, circuits)
            await open_things.enter_async_context(
                monitor.server(own.metrics_host, watched.metrics_port).running()
            )
        for worker in workers:
            await open_things.enter_async_context(worker)
        await start_watchers(client, own, circuits)
        await start_notices(client, own, notices)
        open_things.push_async_callback(_drain, opened)
        print("worker ready", flush=True)  # noqa: T201  # the parent process waits for this line
        await asyncio.Event().wait()
    return 0


def _sdk_metrics() -> "SdkMetrics":
    from countersign.observability.sdk import SdkMetrics  # noqa: PLC0415  # slow to import, as the monitor

    return SdkMetrics(metrics.BUCKETS)


def _monitor(
    sdk: "SdkMetrics",
    client: Client,
    workers: Sequence[Worker],
    backlog: BacklogMetrics,
    circuits: Mapping[str, Circuit],
) -> "WorkerMonitor":
    from countersign.observability.readiness import Readiness  # noqa: PLC0415
    from countersign.observability.worker_monitor import (  # noqa: PLC0415  # slow: an HTTP server
        WorkerMonitor,
    )

    return WorkerMonitor(
        sdk, workers=workers, readiness=Readiness(client), backlog_metrics=backlog, circuits=circuits
    )


def _served(configured: Mapping[str, Account], names: Collection[str]) -> tuple[Account, ...]:
    if unknown := set(names) - configured.keys():
        raise SettingsError.listing(
            f"--account {name}: COUNTERSIGN_ACCOUNTS names {', '.join(configured)}"
            for name in sorted(unknown)
        )
    return tuple(account for name, account in configured.items() if not names or name in names)


async def _drain(opened: Iterable[OpenAccount]) -> None:
    """Drain all accounts at once: their workers stop one after the other."""
    await asyncio.gather(*(account.slots.drain() for account in opened))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python worker.py",
        description="Run the workflows and the activities of the accounts until SIGINT or SIGTERM.",
    )
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="NAME",
        help="serve this account's activities; repeat it for several (default: all of COUNTERSIGN_ACCOUNTS)",
    )
    options = parser.parse_args(arguments)
    logging.configure(service="worker")
    try:
        return entry.run(run(options.account), serves=True)
    except (SettingsError, ConnectionFailedError, UnusableStoreError, CannotListenError) as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201  # for the caller
        return 2


if __name__ == "__main__":
    entry.leave(main())
