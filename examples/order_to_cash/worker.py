"""The worker of the orders: one for the workflow, and one for every API."""

import asyncio

from activities.billing import Billing, BillingSettings
from activities.crm import Crm, CrmSettings
from temporalio.worker import Worker
from workflows.order import OrderToCash

from countersign import entry
from countersign.connection import connect
from countersign.observability import logging
from countersign.providers.api import api_worker, open_api


async def main() -> int:
    """Run until SIGINT or SIGTERM."""
    logging.configure(service="orders")
    client = await connect()
    async with (
        open_api(BillingSettings, probe="/health") as billing,
        open_api(CrmSettings, probe="/health") as crm,
        Worker(client, task_queue="orders", workflows=[OrderToCash]),
        api_worker(client, billing, task_queue="billing", activities=[Billing(billing).create_invoice]),
        api_worker(client, crm, task_queue="crm", activities=[Crm(crm).quote, Crm(crm).update_deal]),
    ):
        print("worker ready", flush=True)
        await asyncio.Event().wait()
    return 0


entry.main(main(), serves=True)
