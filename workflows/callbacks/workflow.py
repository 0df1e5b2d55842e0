"""CallbackWorkflow: deliver one event of an agreement to everybody who is called back.

Agreements start it as a child that outlives them. Its id is `callback-<reference>-<event>-<run>`.
"""

import asyncio
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutType
from temporalio.exceptions import TimeoutError as AttemptTimeoutError
from temporalio.workflow import ActivityConfig

from activities.requests import Attempted, DeliveryRequest
from countersign.agreements.callbacks import CALLBACK_WORKFLOW, CALLER, CallbackRequest
from countersign.agreements.failures import NOT_DELIVERED
from countersign.agreements.names import callback_task_queue
from workflows.callbacks import policies
from workflows.callbacks.policies import Verdict

with workflow.unsafe.imports_passed_through():
    from activities.callbacks import CallbackActivities

_ONCE: Final = RetryPolicy(maximum_attempts=1)


@workflow.defn(name=CALLBACK_WORKFLOW)
class CallbackWorkflow:
    """Call each target until it has accepted the event, at most ten times."""

    @workflow.init
    def __init__(self, request: CallbackRequest) -> None:
        self._request = request
        self._shown = dict.fromkeys(request.targets, "attempt 1")

    @workflow.run
    async def run(self, request: CallbackRequest) -> None:
        """Deliver the event.

        Args:
            request: The event, and whom to deliver it to.

        Raises:
            ApplicationError: `NotDelivered`: some target did not accept it.
        """
        failed = await asyncio.gather(*map(self._deliver, request.targets))
        if problems := [problem for problem in failed if problem]:
            raise ApplicationError("; ".join(problems), type=NOT_DELIVERED, non_retryable=True)

    async def _deliver(self, target: str) -> str | None:
        """Call one target until it accepts; return why it did not, None if it did."""
        may_have_arrived = self._request.was_delivered
        for number, wait in enumerate((*policies.WAITS, None), 1):
            self._show(target, f"attempt {number}")
            attempted = await self._attempt(target, number)
            verdict = policies.judge(attempted, may_have_arrived=may_have_arrived)
            ended = f"{target}: {policies.describe(attempted)}"
            if verdict is Verdict.DELIVERED:
                self._show(target, f"delivered with attempt {number}")
                return None
            if verdict is Verdict.STOP or wait is None:
                self._show(target, f"not delivered: {policies.describe(attempted)}")
                return ended
            may_have_arrived = may_have_arrived or policies.may_arrive(attempted)
            self._show(target, f"attempt {number}: {policies.describe(attempted)}")
            await workflow.sleep(self._until_next(attempted, wait), summary=f"call {target} again")
        raise AssertionError  # the last attempt has no wait

    def _until_next(self, attempted: Attempted, wait: timedelta) -> timedelta:
        spread = wait / self._request.time_scale * (1 + workflow.random().uniform(0, policies.SPREAD))
        return max(spread, timedelta(seconds=attempted.retry_after or 0))

    async def _attempt(self, target: str, number: int) -> Attempted:
        request = self._request
        is_caller = target == CALLER
        try:
            return await workflow.execute_activity_method(
                CallbackActivities.call_back,
                DeliveryRequest(
                    target=target,
                    event=request.event,
                    event_id=request.event_id,
                    url=request.url if is_caller else None,
                    secret_key=request.secret_key if is_caller else None,
                ),
                **self._config(f"{request.event.type} to {target}, attempt {number}"),
            )
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):  # the workflow was cancelled
                raise
            return unreported(error.cause)

    def _config(self, summary: str) -> ActivityConfig:
        return {
            "task_queue": callback_task_queue(workflow.info().task_queue),
            "start_to_close_timeout": policies.ATTEMPT,
            "schedule_to_close_timeout": policies.SCHEDULE,
            "retry_policy": _ONCE,
            "summary": summary,
        }

    def _show(self, target: str, what: str) -> None:
        """Show the state of a target in the Temporal UI; no billable action."""
        self._shown[target] = what
        lines = "\n".join(f"- {name}: {state}" for name, state in self._shown.items())
        workflow.set_current_details(f"## {self._request.event.type}\n\n{lines}")


def unreported(cause: BaseException | None) -> Attempted:
    """Return what is known of an attempt without a result: it may have arrived unless no worker took it."""
    if isinstance(cause, AttemptTimeoutError) and cause.type is not TimeoutType.START_TO_CLOSE:
        return Attempted(problem="no worker made the call")
    return Attempted(problem="the worker stopped meanwhile, or failed", may_have_arrived=True)
