"""A workflow of a user's project that waits for an approval."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from countersign.workflow.approval import Approval, Decision, DecisionRequest


class Ask(BaseModel):
    """What the workflow does."""

    hours: float | None = None
    remind_hours: float | None = None
    announce: bool = False
    carried: Decision | None = None


class Seen(BaseModel):
    """What it has seen."""

    decision: Decision | None = None
    reminders: list[int] = []


def only_finance(request: DecisionRequest) -> None:
    """Reject people of other departments."""
    if not request.by.startswith("finance"):
        raise ValueError("only finance may decide")


@workflow.defn
class Asking:
    """Wait for an approval, and return what was seen."""

    @workflow.init
    def __init__(self, ask: Ask) -> None:
        self.approval = Approval("decide_quote", check=only_finance, decision=ask.carried)
        self.reminders: list[int] = []
        self.may_end = not ask.announce
        self.is_late = False

    @workflow.signal
    def end(self) -> None:
        """Let the workflow end."""
        self.may_end = True

    @workflow.query
    def late(self) -> bool:
        """Return whether the deadline has passed."""
        return self.is_late

    @workflow.run
    async def run(self, ask: Ask) -> Seen:
        deadline = None if ask.hours is None else workflow.now() + timedelta(hours=ask.hours)
        remind_every = None if ask.remind_hours is None else timedelta(hours=ask.remind_hours)
        try:
            await self.approval.wait(deadline=deadline, remind_every=remind_every, remind=self.remind)
        except TimeoutError:
            self.is_late = True
        await workflow.wait_condition(lambda: self.may_end)
        if ask.hours == 0:  # begin again, with the decision
            workflow.continue_as_new(Ask(carried=self.approval.decision))
        return Seen(decision=self.approval.decision, reminders=self.reminders)

    async def remind(self, number: int) -> None:
        """Remember a reminder."""
        await workflow.sleep(1)
        self.reminders.append(number)
