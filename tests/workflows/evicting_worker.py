"""A worker of the reproduction that evicts runs as ours does."""

import asyncio
import sys
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from countersign.eviction import EvictingRunner
from docs.reports.query_ahead_of_task.reproduce import TASK_QUEUE, Counting, read_options


async def work() -> None:
    options = read_options()
    runner = EvictingRunner(UnsandboxedWorkflowRunner())
    worker = Worker(
        await Client.connect(options.worker),
        task_queue=TASK_QUEUE,
        workflows=[Counting],
        workflow_runner=runner,
        max_cached_workflows=options.cached,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=options.sticky),
    )
    runner.evict_from(worker)
    async with worker:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work())
