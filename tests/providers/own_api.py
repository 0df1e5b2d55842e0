"""A user's API, its activity, and a workflow that calls it."""

from dataclasses import dataclass
from typing import ClassVar

from temporalio import activity, workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from countersign.providers.api import ApiClient, ApiSettings, Call
    from countersign.workflow.policy import READ, WRITE, Policy, retry


class ShopSettings(ApiSettings):
    """`SHOP_...`."""

    prefix: ClassVar[str] = "SHOP_"
    live_host: ClassVar[str] = "api.shop.example"


@dataclass(frozen=True)
class Shop:
    """Activities of the API."""

    api: ApiClient

    @activity.defn
    async def create_invoice(self, order: str) -> str:
        """Create an invoice once."""
        call = Call(
            operation="create_invoice",
            method="POST",
            path="/invoices",
            body={"order": order},
            idempotency_key=f"invoice-{order}",
        )
        return await self.api.request(call, lambda body: str(body["id"]))

    @activity.defn
    async def quote(self, order: str) -> str:
        """Read a quote."""
        call = Call(operation="quote", path="/quotes/{order}", ids={"order": order})
        return await self.api.request(call, lambda body: str(body["amount"]))


@workflow.defn
class Invoicing:
    """Create an invoice; return its id."""

    @workflow.run
    async def run(self, order: str, task_queue: str) -> str:
        quick = Policy(WRITE.attempt, WRITE.total, retry(), priority=1).at(20)
        return await workflow.execute_activity_method(Shop.create_invoice, order, **quick.options(task_queue))


@workflow.defn
class Quoting:
    """Read a quote once; return its failure's type, whether it may be retried, and after how many seconds."""

    @workflow.run
    async def run(self, order: str, task_queue: str) -> tuple[str | None, bool, float | None]:
        once = Policy(READ.attempt, READ.total, retry(1))
        try:
            await workflow.execute_activity_method(Shop.quote, order, **once.options(task_queue))
        except ActivityError as error:
            assert isinstance(error.cause, ApplicationError)  # noqa: PT017  # a workflow
            delay = error.cause.next_retry_delay
            seconds = None if delay is None else delay.total_seconds()
            return error.cause.type, error.cause.non_retryable, seconds
        return None, False, None
