"""Something done once, whose search proves too early that nothing was done; a webhook knows better."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from countersign.agreements.failures import OUTCOME_UNKNOWN
    from countersign.workflow.failures import Effect
    from countersign.workflow.once import Found, Once


@activity.defn
async def lose() -> None:
    """Do it, and lose the response; the next attempt has to wait long enough for the webhook."""
    raise ApplicationError(
        "lost", type=OUTCOME_UNKNOWN, non_retryable=True, next_retry_delay=timedelta(seconds=60)
    )


@workflow.defn
class Announced:
    """Return what was done, and in how many attempts."""

    def __init__(self) -> None:
        self.named: tuple[str, ...] = ()
        self.is_disproved = False

    @workflow.run
    async def run(self) -> tuple[str, int]:
        doing = _Doing(self)
        return await doing.run(), doing.attempts

    @workflow.signal
    def name(self, candidate: str) -> None:
        self.named = (candidate,)

    @workflow.query
    def is_about_to_repeat(self) -> bool:
        return self.is_disproved


class _Doing(Once[str]):
    def __init__(self, announced: Announced) -> None:
        super().__init__(time_scale=400)
        self.announced = announced

    async def attempt(self, number: int) -> str:
        await workflow.execute_activity(
            lose,
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=1),
            summary=f"attempt {number}",
        )
        raise AssertionError

    async def search(self, after: Effect) -> Found:
        return Found(is_conclusive=after is Effect.UNKNOWN)

    async def identify(self, candidate: str) -> str:
        return candidate

    async def ask(self, found: Found) -> str:
        raise AssertionError(found)

    def hints(self) -> tuple[str, ...]:
        return self.announced.named

    def on_disproof(self) -> None:
        self.announced.is_disproved = True
