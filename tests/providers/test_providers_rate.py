"""The provider queue's rate limit: as `docs/how-to/be-on-call.md` has an operator change it, live."""

import asyncio
import json
import re
import shlex
import uuid
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from countersign.providers.circuit import Circuit, CircuitRules
from countersign.providers.slots import CircuitSlots, tuner
from countersign.testing.server import temporal_executable
from tests.providers.test_providers_slots import Looking

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "be-on-call.md"
QUEUE = "countersign-turbodocx"


def documented_commands() -> list[str]:
    block = next(
        item for item in re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL) if QUEUE in item
    )
    commands: str = block.replace("\\\n", " ").strip()
    return commands.splitlines()


async def run(command: str, client: Client, queue: str) -> str:
    program, *arguments = shlex.split(command.replace(QUEUE, queue))
    assert program == "temporal"
    process = await asyncio.create_subprocess_exec(
        str(temporal_executable()),
        *arguments,
        "--address",
        client.service_client.config.target_host,
        "--output",
        "json",
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, command
    return output.decode()


async def test_the_documented_commands_set_show_and_unset_the_limit(client: Client) -> None:
    set_it, show_it, unset_it = documented_commands()
    queue = uuid.uuid4().hex
    await run(set_it, client, queue)
    shown = await run(show_it, client, queue)
    assert "the provider asked us to slow down" in shown
    await run(unset_it, client, queue)
    assert "slow down" not in json.dumps(json.loads(await run(show_it, client, queue)))


async def test_a_limit_of_none_stops_steps_until_it_is_unset(client: Client) -> None:
    set_it, _, unset_it = documented_commands()
    queue, looks = uuid.uuid4().hex, 0

    @activity.defn
    async def look() -> int:
        nonlocal looks
        looks += 1
        return 1

    async def complete(steps_queue: str) -> None:
        await client.execute_workflow(Looking.run, steps_queue, id=uuid.uuid4().hex, task_queue=f"{queue}-w")

    def worker(steps_queue: str) -> Worker:
        return Worker(
            client,
            task_queue=steps_queue,
            activities=[look],
            tuner=tuner(CircuitSlots(Circuit(CircuitRules()))),
            disable_eager_activity_execution=True,
        )

    await run(set_it.replace("--queue-rps-limit 2", "--queue-rps-limit 0"), client, queue)
    async with (
        Worker(
            client, task_queue=f"{queue}-w", workflows=[Looking], workflow_runner=UnsandboxedWorkflowRunner()
        ),
        worker(queue),
        worker(f"{queue}-free"),
    ):
        held = asyncio.create_task(complete(queue))
        for _ in range(10):
            await complete(f"{queue}-free")
        assert looks == 10, "only the other queue's"
        await run(unset_it, client, queue)
        await held
    assert looks == 11
