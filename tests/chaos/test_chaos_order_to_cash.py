"""The example project, with the wheel alone, while its worker and ours are killed: each step is done once."""

import asyncio
import json
import os
import random
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from cli.stack import plan
from countersign.agreements.messages import AgreementStatus, Resolution, WaitingFor
from countersign.agreements.reference import workflow_id
from countersign.client import resolve_agreement
from countersign.connection import connect
from countersign.free_ports import free_port
from devstack.ports import Ports
from devstack.processes import Part, Supervisor, prints
from devstack.sandbox import Sandbox
from devstack.stack import Stack
from tests.chaos.chaos_people import documents, insist
from tests.chaos.chaos_stack import HURRY
from tests.packages import PROJECT, ROOT, borrow, build_wheel, install, make_environment
from tests.workflows.office import TEMPLATE

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

EXAMPLE: Final = ROOT / "examples/order_to_cash"
FAULTS: Final = "none,lose,none,none,drop,none,500,none,429,none"
ORDERS: Final = 12
KILLS: Final = 5
_QUERY: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Scene:
    """Our stack, and the parts of the example beside it."""

    stack: Stack
    parts: Supervisor
    client: Client
    stand_in: Sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    python = make_environment(tmp_path_factory.mktemp("venv"))
    borrow(python, PROJECT["dependencies"])
    install(python, str(build_wheel(tmp_path_factory.mktemp("wheel"))))
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "project")
    url = f"http://127.0.0.1:{free_port()}"
    routes = {
        "COUNTERSIGN_WEBHOOKS_ROUTES": str(EXAMPLE / "routes.toml"),
        "BILLING_WEBHOOK_SECRET": "stand-in-webhook-key",
    }
    ours = replace(plan(folder / "stack", Ports.pick()), extra_env=HURRY | routes)
    async with Stack(ours) as stack, Supervisor(folder / "logs") as parts:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "TEMPORAL_ADDRESS": stack.temporal_address,
            "BILLING_BASE_URL": f"{url}/billing",
            "BILLING_API_KEY": "stand-in-key",
            "BILLING_WEBHOOK_SECRET": "stand-in-webhook-key",
            "CRM_BASE_URL": f"{url}/crm",
            "CRM_API_KEY": "stand-in-key",
            "STAND_IN_FAULTS": FAULTS,
        }
        commands = {
            "stand-in": (
                [str(python), "stand_in.py", url.rsplit(":", 1)[1], stack.receiver_url],
                "stand-in on",
            ),
            "orders": ([str(python), "worker.py"], "worker ready"),
        }
        for name, (command, ready) in commands.items():
            await parts.start(Part(name, command, prints(ready), env, folder / "project"))
        yield Scene(stack, parts, await connect(environment=stack.env), Sandbox(url))
        for name in stack.parts:  # a graceful stop would wait for work that nobody needs any more
            if stack.supervisor.is_running(name):
                stack.supervisor.kill(name)


async def test_killed_workers_do_every_step_of_every_order_once(scene: Scene) -> None:
    numbers = [f"o{index:02}-{uuid.uuid4().hex[:8]}" for index in range(ORDERS)]
    orders = asyncio.gather(*(process(scene, number) for number in numbers))
    await kill_workers(scene)
    assert await orders == ["paid"] * ORDERS
    entries = await scene.stand_in.call("GET", "/ledger")
    done = Counter((entry["order"], entry["kind"]) for entry in entries)
    for number in numbers:
        done[number, "agreement"] = len(await documents(scene.stack.sandbox, number))
    print(json.dumps({f"{number} {kind}": count for (number, kind), count in sorted(done.items())}, indent=1))  # noqa: T201  # the evidence
    kinds = ("agreement", "invoice", "deal")
    assert done == {(number, kind): 1 for number in numbers for kind in kinds}
    assert {entry["stage"] for entry in entries if entry["kind"] == "deal"} == {"paid"}


async def kill_workers(scene: Scene) -> None:
    """Kill the example's worker and ours by turns, at random moments."""
    moments = random.Random(21)
    for _ in range(KILLS):
        await asyncio.sleep(moments.uniform(0.2, 2))
        await scene.parts.restart("orders")
        await asyncio.sleep(moments.uniform(0.2, 2))
        await scene.stack.supervisor.restart("worker")


async def process(scene: Scene, number: str) -> str:
    """Order, approve and sign as people do."""
    order = {
        "number": number,
        "template_id": TEMPLATE,
        "terms": {"CustomerName": "Ada", "CompanyName": "Shop", "Service": "Tea", "StartDate": "2027-01-01"},
        "signers": [{"name": name, "email": f"{name}@example.com"} for name in ("Ada", "Grace")],
    }
    handle: WorkflowHandle[Any, str] = await scene.client.start_workflow(
        "OrderToCash", order, id=f"order-{number}", task_queue="orders", result_type=str
    )
    await insist(lambda: handle.execute_update("decide", {"approved": True, "by": "finance"}))
    while not await sign(scene, number):  # noqa: ASYNC110  # other processes set no event
        await asyncio.sleep(0.5)
    return await handle.result()


async def sign(scene: Scene, number: str) -> bool:
    """Sign the document if it is sent; decide if its outcome is unknown. Return whether it is signed."""
    child = scene.client.get_workflow_handle(workflow_id(number))
    with suppress(RPCError):
        status = await child.query("status", result_type=AgreementStatus, rpc_timeout=_QUERY)
        if status.document_id is not None:
            await insist(lambda: scene.stack.sandbox.complete(str(status.document_id)))
            return True
        if status.waiting_for is WaitingFor.OPERATOR:
            found = await documents(scene.stack.sandbox, number)
            decision = (
                Resolution(action="adopt", document_id=found[0]["id"])
                if found
                else Resolution(action="send_again")
            )
            await insist(lambda: resolve_agreement(number, decision, client=scene.client))
    return False
