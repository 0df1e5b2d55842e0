"""Evict a cached workflow run that a query may have moved ahead of its workflow task.

A query that reaches a worker without the run in its cache makes the SDK replay the history as it is then. If
a workflow task is scheduled or started at that moment, the SDK applies its events too, sends the result, and
keeps the run. When the task comes with further events, the run continues from a state that no replay reaches:
its history does not replay any more, and the agreement may hang. docs/reports/query_ahead_of_task has the
report and a reproduction.

Such a run has three signs. Its last events were applied live; the next activation is a query that the server
sent without a task; and no task of this worker brought those events. Either their activation bears the time
of the task before, because no new one has started, or it follows a replay at once, because the query brought
the whole history. Such a run is evicted before the result is sent, so the next workflow task replays the
history from its start. A run that was replayed for a real task has the same signs at its first query; its
eviction costs one replay.

An eviction has a price: of the queries and tasks that arrive meanwhile, the SDK keeps one and drops the
others, and Temporal repeats a dropped task only after ten seconds. So no run is evicted without these signs,
and one case stays uncovered: the query finds the run in the cache, and another worker has started its next
task and dies.

This module alone uses private parts of the SDK: `Worker._bridge_worker`, the protobuf of activations, and the
types that the abstract runner names.
"""

from collections.abc import Callable, Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import (
    Worker,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker._command_aware_visitor import CommandInfo
from temporalio.workflow import Info
from temporalio.workflow import _Definition as Definition

LEGACY_QUERY: Final = "legacy_query"
"""The query id that the SDK gives a query which the server sent without a workflow task."""


class EvictingRunner(WorkflowRunner):
    """Run workflows as another runner does, and evict a run after a query that may have moved it ahead.

    Args:
        runner: What runs the workflows.
    """

    def __init__(self, runner: WorkflowRunner) -> None:
        self._runner = runner
        self._worker: Worker | None = None

    def evict_from(self, worker: Worker) -> None:
        """Name the worker to evict runs from. Until it is called, nothing is evicted."""
        self._worker = worker

    def prepare_workflow(self, defn: Definition) -> None:
        """Prepare a workflow definition, once per worker."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Create the instance of one run."""
        return WatchedInstance(self._runner.create_instance(det), self._evict)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Pass on which exceptions fail a workflow."""
        self._runner.set_worker_level_failure_exception_types(types)

    def _evict(self, run_id: str) -> None:
        if self._worker is not None:
            self._worker._bridge_worker.request_workflow_eviction(run_id)  # noqa: SLF001  # see the module


class WatchedInstance(WorkflowInstance):
    """One run; it knows whether a query may have moved it ahead of its workflow task.

    Args:
        instance: What runs it.
        evict: Evicts a run by its id.
    """

    def __init__(self, instance: WorkflowInstance, evict: Callable[[str], None]) -> None:
        self._instance = instance
        self._evict = evict
        self._may_be_ahead = False
        self._is_replaying = False
        self._history_length = 0
        self._task_started = Timestamp()

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Run one activation, and evict the run if it is a query that may have moved the run ahead."""
        completion = self._instance.activate(act)
        queries = [job.query_workflow for job in act.jobs if job.HasField("query_workflow")]
        if queries:  # the SDK activates a run with events or with queries, never with both
            if self._may_be_ahead and queries[0].query_id == LEGACY_QUERY:
                self._evict(act.run_id)
            self._may_be_ahead = self._is_replaying = False
        else:
            self._note_events(act)
        return completion

    def _note_events(self, act: WorkflowActivation) -> None:
        # One task may need several activations. After a rejected update the history is shorter.
        if act.history_length != self._history_length:
            has_its_own_task = act.timestamp != self._task_started and not self._is_replaying
            self._may_be_ahead = not act.is_replaying and not has_its_own_task
        self._is_replaying = act.is_replaying
        self._history_length, self._task_started = act.history_length, act.timestamp

    def get_serialization_context(self, command_info: CommandInfo | None) -> SerializationContext | None:
        """Return how payloads of a command are encoded."""
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: CommandInfo | None) -> StorageDriverStoreContext:
        """Return where large payloads of a command are stored."""
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Info:
        """Return what is known of the run."""
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        """Return the thread that the run is on, if it is on one."""
        return self._instance.get_thread_id()
