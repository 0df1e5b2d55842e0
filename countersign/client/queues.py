"""Reasons why no worker takes a step from its task queue: no worker, a rate limit, or a circuit."""

from datetime import timedelta
from typing import Any, Final

from temporalio.api.enums.v1 import RateLimitSource
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError

from countersign.agreements.messages import CircuitStatus
from countersign.agreements.names import CIRCUIT_QUERY, account_task_queue
from countersign.agreements.times import format_time
from countersign.client.errors import START_WORKER
from countersign.task_queues import describe_task_queue, is_polled

_TIMEOUT: Final = timedelta(seconds=5)
_SET: Final = frozenset({RateLimitSource.RATE_LIMIT_SOURCE_API, RateLimitSource.RATE_LIMIT_SOURCE_WORKER})

_CHECK: Final = "check it with `countersign doctor`"
_HALTS: Final = {
    "the provider is failing": (
        "the provider is failing",
        "nothing to do; watch it with `countersign doctor`",
    ),
    "credentials refused": (
        "the provider rejects the API key",
        f"replace the key in the worker's settings, restart it if systemd runs it, then {_CHECK}",
    ),
    "permission refused": (
        "the provider refuses the API key its permission",
        f"correct the key's role or organization, then {_CHECK}",
    ),
    "plan exhausted": ("the provider's plan is exhausted", f"upgrade it or wait for its renewal; {_CHECK}"),
    "certificate not trusted": (
        "the provider's certificate does not verify",
        f"correct the proxy or SSL_CERT_FILE, then {_CHECK}",
    ),
}
"""By the circuit's reason: what is wrong, and what to do."""


async def why_not_taken(
    handle: WorkflowHandle[Any, Any], client: Client, task_queue: str, account: str
) -> str:
    """Return why a step waits in an account's queue, as far as Temporal and the worker know.

    A worker with an open circuit polls for workflow tasks but not for the provider's steps.

    Args:
        handle: The agreement's workflow.
        client: The connection to use.
        task_queue: The workflow's queue.
        account: The account.
    """
    name = account_task_queue(task_queue, account)
    try:
        provider = await describe_task_queue(client, name, "activity", rpc_timeout=_TIMEOUT)
        workflows = await describe_task_queue(client, task_queue, "workflow", rpc_timeout=_TIMEOUT)
    except RPCError:
        return "the circuit is open, the rate limit is reached, or no worker runs"
    if is_polled(workflows) and (why := await why_halted(handle, account)):
        return why
    if is_polled(provider):
        return _slow(provider, name)
    if is_polled(workflows):
        return (
            "its workers take no steps while the provider fails or rejects the API key (their circuit is "
            "open), or all their slots are busy; they resume automatically (details: `countersign doctor`)"
        )
    return f"no worker polls {name}: {START_WORKER}"


async def why_halted(handle: WorkflowHandle[Any, Any], account: str) -> str | None:
    """Ask an agreement's worker why it takes no steps of an account, since when, and what to do.

    Args:
        handle: The agreement's workflow.
        account: The account.

    Returns:
        None if the worker's circuit lets calls out, or if no worker that serves the account answers.
    """
    try:
        circuit: CircuitStatus = await handle.query(
            CIRCUIT_QUERY, account, result_type=CircuitStatus, rpc_timeout=_TIMEOUT
        )
    except (RPCError, WorkflowQueryFailedError):
        return None
    if circuit.next_probe_at is None:
        return None
    what, advice = _HALTS.get(circuit.reason, (circuit.reason, _CHECK))
    return (
        f"{what} since {format_time(circuit.since)}, next try {format_time(circuit.next_probe_at)}: {advice}"
    )


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
    return f"no worker polls {task_queue}: {START_WORKER}"


def _slow(queue: DescribeTaskQueueResponse, name: str) -> str:
    limit, rule = queue.effective_rate_limit, queue.config.queue_rate_limit
    busy = "its workers are busy, or their circuit has just opened"
    if limit.rate_limit_source not in _SET:
        return busy
    limited = f"the rate limit of {name} is {limit.requests_per_second:.3g} steps a second"
    limited += f" ({rule.metadata.reason})" if rule.metadata.reason else ""
    return limited if limit.requests_per_second == 0 else f"{limited}, or {busy}"
