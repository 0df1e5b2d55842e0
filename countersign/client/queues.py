"""Reasons why no worker takes a step from its task queue: no worker, a rate limit, or a circuit."""

from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import RateLimitSource
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse
from temporalio.client import Client
from temporalio.service import RPCError

from countersign.task_queues import describe_task_queue, is_polled

_TIMEOUT: Final = timedelta(seconds=5)
_SET: Final = frozenset({RateLimitSource.RATE_LIMIT_SOURCE_API, RateLimitSource.RATE_LIMIT_SOURCE_WORKER})


async def why_not_taken(client: Client, task_queue: str, name: str) -> str:
    """Return why a step waits in an account's queue, as far as Temporal knows.

    A worker with an open circuit polls for workflow tasks but not for the provider's steps.

    Args:
        client: The connection to use.
        task_queue: The workflow's queue.
        name: The account's queue.
    """
    try:
        provider = await describe_task_queue(client, name, "activity", rpc_timeout=_TIMEOUT)
        workflows = await describe_task_queue(client, task_queue, "workflow", rpc_timeout=_TIMEOUT)
    except RPCError:
        return "the circuit is open, the rate limit is reached, or no worker runs"
    if is_polled(provider):
        return _slow(provider, name)
    if is_polled(workflows):
        return (
            "its workers take no steps while the provider fails or rejects the API key (their circuit is "
            "open), or all their slots are busy; they resume automatically (details: `countersign doctor`)"
        )
    return f"no worker polls {name}: start one with `python worker.py`"


async def why_not_claimed(client: Client, task_queue: str) -> str:
    """Return why a step waits in the workflow's own queue, as far as Temporal knows.

    Args:
        client: The connection to use.
        task_queue: The workflow's queue.
    """
    try:
        queue = await describe_task_queue(client, task_queue, "activity", rpc_timeout=_TIMEOUT)
    except RPCError:
        return "no worker runs, or all its slots are busy"
    if is_polled(queue):
        return "all slots of its workers are busy"
    return f"no worker polls {task_queue}: start one with `python worker.py`"


def _slow(queue: DescribeTaskQueueResponse, name: str) -> str:
    limit, rule = queue.effective_rate_limit, queue.config.queue_rate_limit
    busy = "its workers are busy, or their circuit has just opened"
    if limit.rate_limit_source not in _SET:
        return busy
    limited = f"the rate limit of {name} is {limit.requests_per_second:.3g} steps a second"
    limited += f" ({rule.metadata.reason})" if rule.metadata.reason else ""
    return limited if limit.requests_per_second == 0 else f"{limited}, or {busy}"
