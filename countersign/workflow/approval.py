"""Approval as a step of a workflow: a person decides by an update, before a deadline."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from temporalio import workflow
from temporalio.exceptions import ApplicationError

DECIDED = "Decided"
"""The failure type of an update that comes after another decision, or after the deadline."""


class DecisionRequest(BaseModel):
    """The argument of the update.

    Args:
        approved: Whether the person approves.
        by: Who decides, by an id or an address.
        reason: Why.
    """

    model_config = ConfigDict(frozen=True)

    approved: bool
    by: str = Field(min_length=1, max_length=200, repr=False)
    reason: str = Field(default="", max_length=2000, repr=False)


class Decision(DecisionRequest):
    """The decision: the result of the update, and of `Approval.wait`.

    Args:
        at: When the workflow took it.
    """

    at: datetime


class Approval:
    """A decision that a workflow waits for. The update `name` takes a `DecisionRequest`.

    Make it in `__init__` of the workflow: the update may come before the workflow waits. The same decision
    twice is one decision: both updates return the first. An update that decides otherwise fails, and so does
    one after the deadline.

    Args:
        name: The update's name, one per approval of the workflow.
        check: Raises an exception if this person may not decide so; the update is then rejected, and the
            history has no trace of it. It must not change anything.
        decision: What the run before has carried over, if the workflow continued as new.
    """

    def __init__(
        self,
        name: str = "decide",
        *,
        check: Callable[[DecisionRequest], None] | None = None,
        decision: Decision | None = None,
    ) -> None:
        self.decision = decision
        self._check = check
        self._has_passed = False
        workflow.set_update_handler(name, self._decide, validator=self._validate)

    async def wait(
        self,
        *,
        deadline: datetime | None = None,
        remind_every: timedelta | None = None,
        remind: Callable[[int], Awaitable[None]] | None = None,
    ) -> Decision:
        """Wait for the decision.

        Args:
            deadline: When it is too late, such as `workflow.now() + timedelta(days=3)`; by default never.
            remind_every: The time between reminders.
            remind: Reminds the people who decide; its argument is the number of the reminder, from 1. A
                decision during a reminder counts when the reminder has ended.

        Raises:
            TimeoutError: No decision came before the deadline; updates fail from now on.
        """
        reminders = 0
        remind_at = None if remind_every is None else workflow.now() + remind_every
        while self.decision is None:
            wakes = [time for time in (deadline, remind_at) if time is not None]
            wait = max(min(wakes) - workflow.now(), timedelta()) if wakes else None
            is_last = bool(wakes) and deadline == min(wakes)  # not by the clock: a replay's may be another
            try:
                await workflow.wait_condition(
                    lambda: self.decision is not None, timeout=wait, timeout_summary="await the decision"
                )
            except TimeoutError:
                if self.decision is not None:  # it came at the same moment
                    break
                if is_last:
                    self._has_passed = True
                    raise
                if remind_every is not None and remind_at is not None:
                    reminders += 1
                    remind_at += remind_every
                    if remind is not None:
                        await remind(reminders)
        return self.decision

    def _validate(self, request: DecisionRequest) -> None:
        if self.decision is not None and self.decision.approved is not request.approved:
            decided = "approved" if self.decision.approved else "rejected"
            raise ApplicationError(
                f"already {decided} at {self.decision.at:%Y-%m-%d %H:%M} UTC", type=DECIDED
            )
        if self.decision is None and self._has_passed:
            raise ApplicationError("the deadline has passed", type=DECIDED)
        if self.decision is None and self._check is not None:
            self._check(request)

    def _decide(self, request: DecisionRequest) -> Decision:
        if self.decision is None:
            self.decision = Decision(**request.model_dump(), at=workflow.now())
        return self.decision
