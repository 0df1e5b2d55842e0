"""Runs workflows with each activation split into its jobs, in one order or the other."""

from collections.abc import Callable, Sequence
from typing import Final

from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from countersign.eviction import EvictingRunner, WatchedInstance

Jobs = Sequence[WorkflowActivationJob]

_FIRST: Final = ("initialize_workflow", "notify_has_patch", "update_random_seed")
_NEWS: Final = ("signal_workflow", "do_update", "cancel_workflow")


def _rank(job: WorkflowActivationJob) -> int:
    if any(job.HasField(name) for name in _FIRST):
        return 0
    return 2 if any(job.HasField(name) for name in _NEWS) else 1


ORDERS: Final[dict[str, Callable[[Jobs], Jobs]]] = {
    "as they came": lambda jobs: jobs,
    "results before news": lambda jobs: sorted(jobs, key=_rank),
}


class SplittingRunner(EvictingRunner):
    """Give each workflow the jobs of an activation one by one.

    Args:
        runner: What runs the workflows.
        order: In which order.
    """

    def __init__(self, runner: WorkflowRunner, order: Callable[[Jobs], Jobs]) -> None:
        super().__init__(runner)
        self._order = order
        self.split = 0

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Splitting(super().create_instance(det), self)

    def parts(self, jobs: Jobs) -> Jobs:
        self.split += len(jobs) > 1
        return self._order(jobs)


class _Splitting(WatchedInstance):
    def __init__(self, instance: WorkflowInstance, runner: SplittingRunner) -> None:
        super().__init__(instance, lambda _run_id: None)
        self._runner = runner

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        if any(job.HasField("query_workflow") for job in act.jobs):
            return super().activate(act)
        whole = WorkflowActivationCompletion(run_id=act.run_id)
        whole.successful.SetInParent()
        for job in self._runner.parts(list(act.jobs)):
            part = WorkflowActivation()
            part.CopyFrom(act)
            del part.jobs[:]
            part.jobs.append(job)
            completion = super().activate(part)
            if completion.HasField("failed"):
                return completion
            whole.successful.commands.extend(completion.successful.commands)
        return whole
