"""Do something exactly once at an API that takes no idempotency key.

One attempt, then a search for evidence, then a person's decision. An attempt that may have gone out is never
repeated blindly. A status is no evidence either: a 4xx or 429 can come from a gateway after the API did it.

    attempt ──done──────────────────────────────────────────────▶ the result
       │ failed
       ├─ not sent, or never began ── wait 5 s to 5 min ────────▶ attempt again
       ├─ postponed (429) ── wait, search ── found ─────────────▶ the result
       │                                 └── nothing ───────────▶ attempt again
       ├─ rejected (4xx) ── search ── found ────────────────────▶ the result
       │                          └── nothing ──────────────────▶ the failure
       └─ unknown ── search for ten minutes ── found ───────────▶ the result
                              ├── nothing, and that is proof ───▶ attempt again
                              └── nothing ── ask a person ──────▶ the result, or attempt again
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from countersign.workflow.failures import Effect, as_failure, effect, is_reported

ResultT = TypeVar("ResultT")

SETTLE: Final = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 120, 400))
"""Waits between searches after an unknown outcome: ten minutes, longer than a provider takes."""

SETTLE_AFTER_STATUS: Final = timedelta(seconds=2)
"""How long evidence may take to show after a 4xx response."""

LOST_ATTEMPTS: Final = 5
"""Lost responses after which a person decides although the search is conclusive: some providers respond with
a 500 to what never heals."""

_FIRST_DELAY: Final = timedelta(seconds=5)
_LONGEST_DELAY: Final = timedelta(minutes=5)


def retry_delay(attempts: int) -> timedelta:
    """Return the wait before an attempt is repeated, 5 s to 5 min, unless the API gave a Retry-After."""
    return min(_FIRST_DELAY * (1 << min(attempts - 1, 10)), _LONGEST_DELAY)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found.

    Args:
        candidates: Ids of what may be the result of an attempt.
        is_conclusive: Whether finding nothing proves that nothing was done.
        evidence: What was searched, in words for a person.
    """

    candidates: tuple[str, ...] = ()
    is_conclusive: bool = False
    evidence: tuple[str, ...] = ()


class Once(ABC, Generic[ResultT]):
    """Something that is done once. A workflow implements its steps with activities and awaits `run`.

    The activity of `attempt` has one attempt in Temporal (`WRITE_ONCE`) and fails as `api_worker` makes it
    fail: its type tells what the attempt may have done, see `countersign.workflow.failures.effect`.

    Args:
        attempts: How many attempts earlier runs of the workflow have made.
        time_scale: Tests divide all waits by it.
    """

    def __init__(self, *, attempts: int = 0, time_scale: float = 1) -> None:
        self.attempts = attempts
        self._time_scale = time_scale
        self._lost = 0
        self._foreign: set[str] = set()

    # The steps

    @abstractmethod
    async def attempt(self, number: int) -> ResultT:
        """Do it, in one activity; attempts are numbered from 1."""

    @abstractmethod
    async def search(self, after: Effect) -> Found:
        """Search for the result of an attempt.

        Args:
            after: `UNKNOWN`, `POSTPONED` or `REJECTED`. After `UNKNOWN`, a person is asked if an
                `ActivityError` is raised; after the others it counts as nothing found.
        """

    @abstractmethod
    async def identify(self, candidate: str) -> ResultT | None:
        """Return the result that a candidate is; None if it is not ours."""

    @abstractmethod
    async def ask(self, found: Found) -> ResultT | None:
        """Wait for a person who knows: the result, or None to attempt it again."""

    # What else a workflow may know, or wants to know

    async def revoke(self, number: int) -> bool:  # noqa: ARG002  # for workflows that have a fence
        """Keep an attempt from beginning; False if it began.

        Without a fence, it is unknown what an attempt did whose worker died.
        """
        return False

    def has_begun(self) -> bool:
        """Whether a cancelled attempt may have begun before, because its policy lets Temporal repeat it."""
        return False

    def hints(self) -> tuple[str, ...]:
        """Return candidates that something else has named, such as a webhook."""
        return ()

    def is_in_doubt(self) -> bool:
        """Whether there are candidates that are not ours: then absence proves nothing."""
        return bool(self._foreign)

    def is_called_off(self) -> bool:
        """Whether a wait must end early; `before_repeat` can then end it all."""
        return False

    def before_wait(self) -> None:
        """Prepare for a wait before another attempt."""

    def before_repeat(self) -> None:
        """Raise an exception to end it all before another attempt: nothing was done."""

    def on_failure(self, outcome: Effect) -> None:
        """Note that an attempt has failed."""

    def on_outcome(self, outcome: Effect, error: ActivityError) -> None:
        """Note what a failed attempt may have done, once its fence was looked at."""

    def on_disproof(self) -> None:
        """Note that the search has proved that nothing was done."""

    # The loop

    async def run(self) -> ResultT:
        """Do it once.

        Raises:
            ApplicationError: It was rejected, or could not be tried.
        """
        while True:
            self.attempts += 1
            try:
                return await self.attempt(self.attempts)
            except ActivityError as error:
                result = await self._after(error)
            if result is not None:
                return result

    async def _after(self, error: ActivityError) -> ResultT | None:
        """Return the result after a failure; None to attempt it again."""
        outcome = effect(error)
        if outcome is Effect.CANCELLED and self.has_begun():
            outcome = Effect.UNKNOWN
        self.on_failure(outcome)
        if outcome is Effect.UNKNOWN and not is_reported(error) and await self.revoke(self.attempts):
            outcome = Effect.NOT_SENT
        self.on_outcome(outcome, error)
        if outcome is Effect.UNKNOWN:
            return await self._learn(error)
        if outcome in {Effect.NOT_SENT, Effect.POSTPONED}:
            await self._wait_to_repeat(error)
        if outcome in {Effect.POSTPONED, Effect.REJECTED}:
            result = await self._look(outcome)
        else:
            result = await self.first_of(self._new_hints())
        if result is not None:
            return result
        if outcome in {Effect.NOT_SENT, Effect.POSTPONED, Effect.CANCELLED}:
            self.before_repeat()
        if outcome in {Effect.POSTPONED, Effect.REJECTED} and self.is_in_doubt():
            return await self.ask(Found())
        if outcome in {Effect.UNUSABLE, Effect.REJECTED}:
            raise as_failure(error) from error
        return None

    async def _learn(self, error: ActivityError) -> ResultT | None:
        """Search over the settle window; then a person decides, unless the last search is proof."""
        result, found = await self.find()
        if result is not None:
            return result
        self._lost += 1
        if found.is_conclusive and not self.is_in_doubt() and self._lost < LOST_ATTEMPTS:
            self.on_disproof()
            await self._wait_to_repeat(error)
            if (result := await self.first_of(self._new_hints())) is None:
                self.before_repeat()
            return result
        return await self.ask(found)

    async def find(self) -> tuple[ResultT | None, Found]:
        """Search over the settle window; return the result if there is one, and the last search."""
        found = Found()
        for delay in SETTLE:
            if (result := await self.first_of(self._new_hints())) is not None:
                return result, found
            if await self._waited_in_vain(delay / self._time_scale, "look for evidence"):
                try:
                    found = await self.search(Effect.UNKNOWN)
                except ActivityError as error:
                    if effect(error) is Effect.CANCELLED:
                        raise
                    return None, Found(evidence=("no search could be made",))
                if (result := await self.first_of(found.candidates)) is not None:
                    return result, found
        return None, found

    async def _look(self, outcome: Effect) -> ResultT | None:
        """Search once, shortly after a status that denies the attempt; it counts if no search can be made."""
        await self._waited_in_vain(SETTLE_AFTER_STATUS / self._time_scale, "look for evidence")
        if (result := await self.first_of(self._new_hints())) is not None:
            return result
        try:
            found = await self.search(outcome)
        except ActivityError:
            found = Found()
        if (result := await self.first_of(found.candidates)) is not None:
            return result
        return await self.first_of(self._new_hints())

    def _new_hints(self) -> tuple[str, ...]:
        return tuple(hint for hint in self.hints() if hint not in self._foreign)

    async def first_of(self, candidates: tuple[str, ...]) -> ResultT | None:
        """Identify candidates, until one is ours."""
        for candidate in candidates:
            result = await self.identify(candidate)
            if result is not None:
                return result
            self._foreign.add(candidate)
        return None

    async def _wait_to_repeat(self, error: ActivityError) -> None:
        cause = error.cause
        requested = cause.next_retry_delay if isinstance(cause, ApplicationError) else None
        delay = requested or retry_delay(self.attempts) / self._time_scale
        self.before_wait()
        await self._waited_in_vain(delay, "try again", or_=self.is_called_off)

    async def _waited_in_vain(
        self, limit: timedelta, purpose: str, *, or_: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait for a hint; True if the time is over first."""
        try:
            await workflow.wait_condition(
                lambda: or_() or bool(self._new_hints()), timeout=limit, timeout_summary=purpose
            )
        except TimeoutError:
            return True
        return False
