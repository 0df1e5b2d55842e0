"""Store and run a batch in this process, and print how much memory that took.

No agreement is started, as a hundred thousand of them would take half an hour. Everything up to the call
that starts one is real, so are the server, the store, and the workflow and activities of the batch.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowHandle,
)

from countersign.agreements.batches import BATCH_ID_PREFIX, BatchProgress
from countersign.agreements.names import WORKFLOW_NAME
from countersign.client.batches import start_batch
from countersign.client.settings import load_settings
from countersign.connection import data_converter
from countersign.settings import CountersignSettings
from countersign.storage import open_store
from worker import workflow_worker


class _WithoutAgreements(Interceptor):
    """Starts batches, and no agreement."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  # the SDK's
        return _Starts(next)


class _Starts(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        if input.workflow != WORKFLOW_NAME:
            return await super().start_workflow(input)
        return WorkflowHandle(_client[0], input.id, first_execution_run_id="none")


_client: list[Client] = []


def peak_megabytes(process: int | str = "self") -> float:
    """Return the memory that a process has had at most; `getrusage` would begin with its parent's."""
    return int(Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


async def main(address: str, table: Path, batch: str) -> None:
    """Run the batch to its end."""
    client = await Client.connect(
        address, data_converter=data_converter(), interceptors=[_WithoutAgreements()]
    )
    _client.append(client)
    settings = load_settings(CountersignSettings)
    await start_batch(table, batch, client=client)
    stored = peak_megabytes()
    async with workflow_worker(client, open_store(settings.store), settings, {}):
        handle = client.get_workflow_handle(BATCH_ID_PREFIX + batch, result_type=BatchProgress)
        progress = await handle.result()
    print(json.dumps({"stored": stored, "run": peak_megabytes(), "started": progress.started}))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
