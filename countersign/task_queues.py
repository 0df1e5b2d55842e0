"""What Temporal tells of a task queue: who polls it, what waits in it, how fast it may go.

Asking is no billable action.
"""

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
_A_POLL: Final = timedelta(seconds=70)
"""A poll stays open for a minute and is noted when it begins: a living worker's last one is no older."""


async def describe_task_queue(
    client: Client, task_queue: str, kind: Kind, *, patience: timedelta
) -> DescribeTaskQueueResponse:
    """Ask Temporal about a task queue, with what waits in it and how it is configured.

    Args:
        client: Where.
        task_queue: Its name.
        kind: Which tasks of that name.
        patience: How long the answer may take.

    Raises:
        RPCError: Temporal did not answer, or may not.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=_KINDS[kind],
        report_stats=True,
        report_config=True,
    )
    return await client.workflow_service.describe_task_queue(request, timeout=patience)


def is_polled(queue: DescribeTaskQueueResponse) -> bool:
    """Tell whether a worker takes tasks now; Temporal names pollers for minutes after their last poll."""
    since = datetime.now(UTC) - _A_POLL
    return any(poller.last_access_time.ToDatetime(tzinfo=UTC) >= since for poller in queue.pollers)
