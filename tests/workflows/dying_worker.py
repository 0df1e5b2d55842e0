"""A worker of the provider's queue that is killed after it received a send and before it called the provider.

python -m tests.workflows.dying_worker <Temporal's address> <the sandbox's> <a folder> <a task queue> [late]

With `late`, it is left to the test to kill it.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.connection import data_converter
from countersign.storage import Draft, FolderStore, StoredFile
from devstack.sandbox import Sandbox
from tests.workflows.office import open_office

TIME_SCALE = 100


class DyingStore(FolderStore):
    """Kills the process when a send begins."""

    async def publish(self, key: str, draft: Draft) -> StoredFile:
        if "/sending-" in key:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().publish(key, draft)


async def main(address: str, sandbox: str, folder: str, task_queue: str, dies: str = "early") -> None:
    client = await Client.connect(address, data_converter=data_converter())
    store = (DyingStore if dies == "early" else FolderStore)(Path(folder))
    async with open_office(
        client,
        TimeSkipper(client),
        Sandbox(sandbox),
        Path(folder),
        store=store,
        task_queue=task_queue,
        time_scale=TIME_SCALE,
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
