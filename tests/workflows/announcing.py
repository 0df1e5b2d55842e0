"""Run in a copy of the code that has the step of docs/how-to/add-a-step.md: print what agreements do.

python -m tests.workflows.announcing <Temporal's address> <the sandbox's> <a folder>
"""

import sys
from pathlib import Path

from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from countersign.connection import data_converter
from countersign.entry import leave, run
from devstack.sandbox import Sandbox
from tests.workflows.office import open_office, steps_of
from tests.workflows.scenarios import SCENARIOS
from tests.workflows.test_workflows_histories import GOLDEN, recorded, replayer


async def main(address: str, sandbox: str, folder: str) -> int:
    client = await Client.connect(address, data_converter=data_converter())
    skipper = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
    async with open_office(client, skipper, Sandbox(sandbox), Path(folder)) as office:
        for name in ("happy", "voided"):
            handle = await SCENARIOS[name](office)
            result = await office.result(handle)
            reported = "announced" if "announce" in await steps_of(handle) else "not announced"
            print(f"{result.outcome}: {reported}")  # noqa: T201  # the test reads it
            await replayer().replay_workflow(await handle.fetch_history())
    for path in GOLDEN.glob("*.json"):
        await replayer().replay_workflow(recorded(path.stem))
    return 0


if __name__ == "__main__":
    leave(run(main(*sys.argv[1:])))
