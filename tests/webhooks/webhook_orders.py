"""Workflows of a user's own, which routes of the receiver signal."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from countersign.webhooks.inbox import Inbox, InboxState, WebhookEvent

QUEUE = "orders-of-webhooks"


@workflow.defn
class Order:
    @workflow.init
    def __init__(self, state: InboxState | None = None) -> None:
        self.inbox = Inbox(state)
        self.received: list[WebhookEvent] = []
        self.request = ""

    @workflow.signal
    def payment(self, event: WebhookEvent) -> None:
        self.received.append(event)
        self.inbox.put(event)

    @workflow.signal
    def request_next(self, what: str) -> None:
        self.request = what

    @workflow.query
    def events(self) -> list[WebhookEvent]:
        return self.received

    @workflow.run
    async def run(self, state: InboxState | None = None) -> list[str]:  # noqa: ARG002  # `__init__` has it
        await workflow.wait_condition(lambda: bool(self.request))
        if self.request == "continue":
            workflow.continue_as_new(self.inbox.state())
        taken: list[str] = []
        while True:
            try:
                event = await self.inbox.take("invoice.paid", within=timedelta(milliseconds=1))
            except TimeoutError:
                return taken
            taken.append(event.id)


@workflow.defn
class Started:
    def __init__(self) -> None:
        self.inbox = Inbox()

    @workflow.signal
    def payment(self, event: WebhookEvent) -> None:
        self.inbox.put(event)

    @workflow.run
    async def run(self, data: dict[str, Any]) -> list[Any]:
        return [data, (await self.inbox.take()).data]
