"""Time-outs and retries of a step, declared once.

| policy       | one attempt | in all  | attempts | for |
|--------------|-------------|---------|----------|-----|
| `READ`       | 75 s        | 30 days | any      | a read; the client limits it to 60 s |
| `WRITE`      | 150 s       | 30 days | any      | a write with an idempotency key |
| `WRITE_ONCE` | 150 s       | 30 days | one      | a write that must not be repeated |

Temporal is the only layer that retries. First delay 1 s, doubled, at most 5 min. An activity that waits for
its queue, because the circuit is open, uses no attempt.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityConfig


@dataclass(frozen=True, slots=True)
class Policy:
    """Time-outs and retries of a step.

    Args:
        attempt: Start-to-close: one attempt's limit.
        total: Schedule-to-close: all attempts, with waiting.
        retry: Temporal's retry policy.
        heartbeat: Silence after which an attempt counts as dead.
        priority: Which of the steps that wait in a queue goes first: 1 before 5. What a person has asked for
            goes first, then sends and archives, then checks.
    """

    attempt: timedelta
    total: timedelta
    retry: RetryPolicy
    heartbeat: timedelta | None = None
    priority: int = 3

    def at(self, time_scale: float) -> "Policy":
        """Return the same policy, `time_scale` times faster."""
        cap = self.retry.maximum_interval
        return Policy(
            attempt=self.attempt / time_scale,
            total=self.total / time_scale,
            retry=replace(
                self.retry,
                initial_interval=self.retry.initial_interval / time_scale,
                maximum_interval=cap and cap / time_scale,
            ),
            heartbeat=self.heartbeat and self.heartbeat / time_scale,
            priority=self.priority,
        )

    def options(self, task_queue: str) -> ActivityConfig:
        """Return the options of `workflow.execute_activity` for a queue: `**READ.options("billing")`."""
        return {
            "task_queue": task_queue,
            "start_to_close_timeout": self.attempt,
            "schedule_to_close_timeout": self.total,
            "heartbeat_timeout": self.heartbeat,
            "retry_policy": self.retry,
            "priority": Priority(priority_key=self.priority),
        }


def retry(
    maximum_attempts: int = 0, *, cap: timedelta = timedelta(minutes=5), ends_with: tuple[str, ...] = ()
) -> RetryPolicy:
    """Build a retry policy: 1 s, doubled.

    Args:
        maximum_attempts: 0 for any number.
        cap: The longest delay.
        ends_with: Failure types that are not retried, beside those that never are.
    """
    return RetryPolicy(
        non_retryable_error_types=ends_with,
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2,
        maximum_interval=cap,
        maximum_attempts=maximum_attempts,
    )


_WRITE: Final = timedelta(seconds=150)
_MONTH: Final = timedelta(days=30)

READ: Final = Policy(timedelta(seconds=75), _MONTH, retry())
WRITE: Final = Policy(_WRITE, _MONTH, retry())
WRITE_ONCE: Final = Policy(_WRITE, _MONTH, retry(1))
