"""Descriptions of task queues: pollers, backlog and rate limit. They are not billable actions."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
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
    return bool(polling_identities(queue))


def polling_identities(queue: DescribeTaskQueueResponse) -> set[str]:
    """Return the identities of the workers that poll now."""
    since = datetime.now(UTC) - _LONGEST_POLL
    return {poller.identity for poller in queue.pollers if _last_poll(poller) >= since}


def last_poll(queue: DescribeTaskQueueResponse) -> datetime | None:
    """Return when a worker polled last; None if Temporal remembers no poll."""
    return max(map(_last_poll, queue.pollers), default=None)


def _last_poll(poller: PollerInfo) -> datetime:
    return poller.last_access_time.ToDatetime(tzinfo=UTC)
