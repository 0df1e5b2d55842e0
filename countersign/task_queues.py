"""Descriptions of task queues: pollers, backlog and rate limit. They are not billable actions."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client

Kind = Literal["workflow", "activity"]

_KINDS: Final = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
_LONGEST_POLL: Final = timedelta(seconds=70)
"""A poll lasts up to a minute, and Temporal records its start: a running worker's last poll is not older."""


async def describe_task_queue(
    client: Client, task_queue: str, kind: Kind, *, rpc_timeout: timedelta
) -> DescribeTaskQueueResponse:
    """Describe a task queue, with its backlog and configuration.

    Args:
        client: The connection to use.
        task_queue: The name of the queue.
        kind: The kind of its tasks.
        rpc_timeout: The time limit of the request.

    Raises:
        RPCError: Temporal did not respond, or refused the request.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=_KINDS[kind],
        report_stats=True,
        report_config=True,
    )
    return await client.workflow_service.describe_task_queue(request, timeout=rpc_timeout)


def is_polled(queue: DescribeTaskQueueResponse) -> bool:
    """Return whether a worker polls now. Temporal lists pollers for minutes after their last poll."""
    since = datetime.now(UTC) - _LONGEST_POLL
    return any(poller.last_access_time.ToDatetime(tzinfo=UTC) >= since for poller in queue.pollers)
