"""Every end of an order, and recorded histories: `RECORD=1 pytest` records them anew."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from activities.billing import Billing
from activities.crm import Crm
from temporalio.worker import Worker
from workflows.order import Order, OrderToCash

from countersign.agreements.events import EventKind
from countersign.agreements.messages import Signer
from countersign.providers.api import Call
from countersign.testing import open_office, record_history, replay_histories
from countersign.webhooks.inbox import WebhookEvent
from countersign.workflow.approval import DecisionRequest

HISTORIES = Path(__file__).with_name("histories")
ENDS = {"paid": EventKind.COMPLETED, "contract declined": EventKind.DECLINED, "rejected": None, "late": None}


class Api:
    """Stands in for billing and CRM."""

    stages: ClassVar[list[str]] = []

    async def request(self, call: Call, parse: Callable[[Any], Any]) -> Any:
        if call.operation == "update_deal":
            self.stages.append(call.body["stage"])
        return parse({"id": "1", "amount": "1200.00"})


@pytest.mark.parametrize("stage", ENDS)
async def test_an_order_ends(stage: str) -> None:
    api: Any = Api()
    billing, crm, number = Billing(api), Crm(api), stage.rsplit(maxsplit=1)[-1]
    signer = Signer(name="Ada Example", email="ada@example.com")
    order = Order(number=number, template_id="t", terms={}, signers=(signer,))
    async with (
        open_office() as office,
        Worker(office.client, task_queue="orders", workflows=[OrderToCash]),
        Worker(office.client, task_queue="billing", activities=[billing.create_invoice]),
        Worker(office.client, task_queue="crm", activities=[crm.quote, crm.update_deal]),
    ):
        start = office.time.client.start_workflow
        handle = await start(OrderToCash.run, order, id=f"order-{number}", task_queue="orders")
        await handle.signal("payment", WebhookEvent(id="event-1", kind="invoice.paid"))
        if stage == "late":
            await office.skip(handle, timedelta(days=4))
        else:
            decision = DecisionRequest(approved=stage != "rejected", by="finance")
            await handle.execute_update("decide", decision)
        if (end := ENDS[stage]) is not None:
            await office.end(number, end)
        assert await handle.result() == stage == Api.stages.pop()
        if os.environ.get("RECORD"):
            await record_history(handle, HISTORIES / f"{number}.json")


async def test_recorded_orders_replay() -> None:
    assert await replay_histories(HISTORIES, [OrderToCash]) == len(ENDS)
