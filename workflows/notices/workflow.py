"""NoticesWorkflow: looks once a minute for problems, and notifies operators by one channel.

There is one for every channel, so that a mail server that is away delays no webhook. It waits until a notice
is delivered before it looks again: a channel that was away then says in one notice what has changed.
"""

from datetime import datetime
from typing import Final

from pydantic import Field
from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ActivityError, CancelledError
from temporalio.workflow import ActivityConfig, ContinueAsNewVersioningBehavior

from activities.requests import DeliverNoticeRequest, Findings, FindProblemsRequest
from countersign.agreements.messages import Message
from countersign.agreements.names import NOTICES_NAME, callback_task_queue
from countersign.agreements.notices import Channel, Notice, digest_notice, problem_notice
from countersign.workflow.policy import Policy
from workflows.agreement import policies
from workflows.notices.problems import Known, compare, report

with workflow.unsafe.imports_passed_through():
    from activities.notices import NoticeActivities, ProblemActivities

HISTORY_LIMIT: Final = 500
"""Events after which the workflow continues as new: those of about 45 looks."""


class NoticesState(Message):
    """What the workflow knows, which is also its input.

    Args:
        channel: The channel.
        environment: The setting `COUNTERSIGN_ENVIRONMENT`.
        time_scale: By what its waits are divided, for tests.
        known: The problems that it knows.
        looked_at: When the last look was.
        digested_at: When the last digest was made, or the first look.
        missed_at: When an account's watcher last found events that no webhook had brought.
    """

    channel: Channel
    environment: str
    time_scale: float = 1
    known: tuple[Known, ...] = ()
    looked_at: datetime | None = None
    digested_at: datetime | None = None
    missed_at: dict[str, datetime] = Field(default={})


@workflow.defn(name=NOTICES_NAME)
class NoticesWorkflow:
    """Notify operators of each problem once, of its end once, and of everything once a day."""

    @workflow.init
    def __init__(self, state: NoticesState) -> None:
        self._state = state

    @workflow.run
    async def run(self, state: NoticesState) -> None:
        """Look for problems until the settings have the channel no more. No step reads the clock.

        Args:
            state: The channel, and what the run before knew.
        """
        del state  # `__init__` has it
        while workflow.info().get_current_history_length() < HISTORY_LIMIT:
            findings = await self._look()
            if not findings.is_on:
                return
            await self._report(findings)
            pause = policies.NEXT_LOOK / self._state.time_scale
            await workflow.sleep(pause, summary="next look for problems")
        is_versioned = workflow.info().get_current_deployment_version() is not None
        newest = ContinueAsNewVersioningBehavior.AUTO_UPGRADE  # it must not stay with a build that goes
        workflow.continue_as_new(self._state, initial_versioning_behavior=newest if is_versioned else None)

    async def _look(self) -> Findings:
        state = self._state
        return await workflow.execute_activity_method(
            ProblemActivities.find_problems,
            FindProblemsRequest(
                channel=state.channel,
                looked_at=state.looked_at,
                digested_at=state.digested_at,
                missed_at=state.missed_at,
            ),
            **self._config(policies.FIND_PROBLEMS, "look for problems"),
        )

    async def _report(self, findings: Findings) -> None:
        """Notify operators of what has changed; a notice that was not delivered is made anew later."""
        news = compare(self._state.known, findings)
        self._know(
            known=news.known,
            looked_at=findings.at,
            missed_at=findings.missed_at,
            digested_at=self._state.digested_at or findings.at,
        )
        environment, at = self._state.environment, findings.at
        for problems, over in ((news.new, False), (news.over, True)):
            if problems and await self._deliver(problem_notice(environment, at, problems, over=over)):
                self._know(known=report(self._state.known, problems, over=over))
        if findings.digest is not None and await self._deliver(
            digest_notice(environment, at, findings.digest, findings.problems)
        ):
            self._know(digested_at=at)

    async def _deliver(self, notice: Notice) -> bool:
        """Deliver a notice; return whether it was delivered within the policy's time."""
        request = DeliverNoticeRequest(
            channel=self._state.channel, notice=notice, notice_id=f"ntc_{workflow.uuid4().hex}"
        )
        queue = callback_task_queue(workflow.info().task_queue)
        try:
            await workflow.execute_activity_method(
                NoticeActivities.deliver_notice,
                request,
                **self._config(policies.DELIVER_NOTICE, f"{notice.type}: {notice.data.title}", queue),
            )
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):  # the workflow was cancelled
                raise
            return False
        return True

    def _know(self, **changes: object) -> None:
        self._state = self._state.model_copy(update=changes)

    def _config(self, policy: Policy, summary: str, task_queue: str | None = None) -> ActivityConfig:
        return {
            "task_queue": task_queue,
            "start_to_close_timeout": policy.attempt,
            "schedule_to_close_timeout": policy.total,
            "retry_policy": policy.at(self._state.time_scale).retry,
            "priority": Priority(priority_key=policy.priority),
            "summary": summary,
        }
