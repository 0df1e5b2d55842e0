"""WatcherWorkflow: reads once a minute what changed at the provider, for all agreements of an account.

Agreements that are watched check seldom by themselves. So the watcher says when it loses sight: its memo says
it to agreements that start (`countersign/watchers.py`), a signal to those that run.
"""

from datetime import datetime, timedelta
from typing import Final

from pydantic import Field
from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ActivityError, CancelledError
from temporalio.workflow import ActivityConfig, ContinueAsNewVersioningBehavior

from activities.requests import Reading, ReadRequest, UnwatchRequest
from countersign.agreements.messages import Message
from countersign.agreements.names import WATCHER_MEMO, WATCHER_NAME, account_task_queue
from countersign.workflow.failures import reason
from workflows.agreement import policies
from workflows.agreement.policies import Policy

with workflow.unsafe.imports_passed_through():
    from activities.changes import ChangeActivities, UnwatchActivities

HISTORY_LIMIT: Final = 500
"""Events after which the watcher continues as new: those of about 45 readings."""


class Watch(Message):
    """What a watcher knows, which is also its input.

    Args:
        account: The account.
        time_scale: By what its waits are divided, for tests.
        position: From where the next reading goes on.
        read_at: When it last read; None before the first reading.
        blind: Why it cannot read the changes, as the memo has it; None if it can.
        blind_since: When a reading first could not.
        could_read: Whether it ever could.
        trusted: Whether agreements may rely on it: it could read, and has not told them otherwise since.
    """

    account: str
    time_scale: float = 1
    position: dict[str, str] = Field(default={})
    read_at: datetime | None = None
    blind: str | None = None
    blind_since: datetime | None = None
    could_read: bool = False
    trusted: bool = False


@workflow.defn(name=WATCHER_NAME)
class WatcherWorkflow:
    """Read what changed, over and over; the activity signals the agreements that missed something."""

    @workflow.init
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @workflow.run
    async def run(self, watch: Watch) -> None:
        """Watch an account for ever.

        Temporal retries a reading that fails. While the circuit is open, the reading waits in the account's
        queue; then it goes on where the last one ended. No step reads the clock.

        Args:
            watch: The account, and what the run before knew.
        """
        del watch  # `__init__` has it
        info = workflow.info()
        while (
            info.get_current_history_length() < HISTORY_LIMIT
            and not info.is_target_worker_deployment_version_changed()  # else that build never drains
        ):
            await workflow.sleep(await self._read(), summary="next reading")
        is_versioned = info.get_current_deployment_version() is not None
        newest = ContinueAsNewVersioningBehavior.AUTO_UPGRADE
        workflow.continue_as_new(self._watch, initial_versioning_behavior=newest if is_versioned else None)

    async def _read(self) -> timedelta:
        """Read once; return how long to wait."""
        try:
            reading = await self._ask()
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):  # the workflow was cancelled
                raise
            # every attempt of an hour has failed, with the circuit closed
            return await self._give_up(reason(error))
        is_first, was_blind = self._watch.read_at is None, self._watch.blind
        self._know(position=reading.position, read_at=reading.at)
        if is_first or reading.blind != was_blind:
            self._show(reading.blind, reading.at)
        if reading.blind is None:
            self._know(trusted=True, could_read=True)
        if reading.missed or self._is_lost(reading):
            await self._unwatch()
        return reading.next_in

    def _is_lost(self, reading: Reading) -> bool:
        since = self._watch.blind_since
        patience = policies.BLIND / self._watch.time_scale
        return since is not None and reading.at - since >= patience

    async def _give_up(self, why: str) -> timedelta:
        """Treat a reading that failed for an hour as one that cannot be made."""
        if self._watch.blind is None:
            self._show(why, self._watch.read_at or workflow.info().start_time)
        if self._watch.trusted:  # wait until no worker remembers that this account was watched
            await workflow.sleep(
                policies.REMEMBERED / self._watch.time_scale, summary="agreements that start"
            )
            await self._unwatch()
        return policies.BLIND / self._watch.time_scale

    def _show(self, blind: str | None, at: datetime) -> None:
        """Change the memo, which is a billable action."""
        shown = {"since": at.isoformat(), "blind": blind, "could_read": self._watch.could_read}
        workflow.upsert_memo({WATCHER_MEMO: shown})
        since = self._watch.blind_since or at  # another reason is no new beginning
        self._know(blind=blind, blind_since=since if blind else None)

    def _know(self, **changes: object) -> None:
        self._watch = self._watch.model_copy(update=changes)

    async def _ask(self) -> Reading:
        queue = account_task_queue(workflow.info().task_queue, self._watch.account)
        return await workflow.execute_activity_method(
            ChangeActivities.read_changes,
            ReadRequest(position=self._watch.position),
            **self._config(policies.READ_CHANGES, "read what changed", queue),
        )

    async def _unwatch(self) -> None:
        """Have running agreements check by themselves, if they rely on this watcher."""
        if not self._watch.trusted:
            return
        await workflow.execute_activity_method(
            UnwatchActivities.unwatch,
            UnwatchRequest(account=self._watch.account),
            **self._config(policies.UNWATCH, "have agreements check by themselves"),
        )
        self._know(trusted=False)

    def _config(self, policy: Policy, summary: str, task_queue: str | None = None) -> ActivityConfig:
        return {
            "task_queue": task_queue,
            "start_to_close_timeout": policy.attempt,
            "schedule_to_close_timeout": policy.total,
            "heartbeat_timeout": policy.heartbeat,
            "retry_policy": policy.at(self._watch.time_scale).retry,
            "priority": Priority(priority_key=policy.priority),
            "summary": summary,
        }
