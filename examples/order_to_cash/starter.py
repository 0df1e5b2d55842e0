"""Start an order and approve its quote: `python starter.py NUMBER`."""

import sys

from workflows.order import Order, OrderToCash

from countersign import entry
from countersign.agreements.messages import Signer
from countersign.connection import connect
from countersign.workflow.approval import DecisionRequest

TEMPLATE = "7e3a1c00-0000-4000-8000-000000000001"  # a template of the sandbox


async def main() -> int:
    """Wait until the order is paid, after the customer has signed."""
    terms = {"CustomerName": "Ada", "CompanyName": "Shop", "Service": "Tea", "StartDate": "2027-01-01"}
    signers = tuple(Signer(name=name, email=f"{name}@example.com") for name in ("Ada", "Grace"))
    order = Order(number=sys.argv[1], template_id=TEMPLATE, terms=terms, signers=signers)
    workflow_id, client = f"order-{order.number}", await connect()
    handle = await client.start_workflow(OrderToCash.run, order, id=workflow_id, task_queue="orders")
    await handle.execute_update("decide", DecisionRequest(approved=True, by="finance"))
    print(f"{workflow_id} is approved: sign its contract in the sandbox's inbox", flush=True)
    print(f"{workflow_id}: {await handle.result()}")
    return 0


entry.main(main())
