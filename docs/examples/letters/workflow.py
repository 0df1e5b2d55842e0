"""The workflow: it posts a letter exactly once."""

from datetime import timedelta

from temporalio import workflow
from temporalio.workflow import ActivityConfig

with workflow.unsafe.imports_passed_through():
    from countersign.workflow.failures import Effect
    from countersign.workflow.once import Found, Once
    from countersign.workflow.policy import READ, WRITE_ONCE, Policy
    from docs.examples.letters.post import Attempt, Fences, Letter, Post


def at_the_post(policy: Policy) -> ActivityConfig:
    """Return the options of a call: the API has a queue of its own."""
    return policy.options(f"{workflow.info().task_queue}-post")


@workflow.defn
class PostLetter:
    """Post a letter; return its id."""

    def __init__(self) -> None:
        self.asks = False
        self.answer: str | None = None

    @workflow.run
    async def run(self, letter: Letter, time_scale: float = 1) -> str:
        """Post the letter once, whatever the API responds."""
        return await _Posting(letter, self, time_scale).run()

    @workflow.query
    def is_asking(self) -> bool:
        """Whether a person must look at the API."""
        return self.asks

    @workflow.signal
    def resolve(self, answer: str) -> None:
        """Decide: the id of the posted letter, or "again"."""
        self.answer = answer


class _Posting(Once[str]):
    def __init__(self, letter: Letter, person: PostLetter, time_scale: float) -> None:
        super().__init__(time_scale=time_scale)
        self.letter = letter
        self.person = person

    async def attempt(self, number: int) -> str:
        attempt = Attempt(letter=self.letter, number=number)
        return await workflow.execute_activity_method(Post.post, attempt, **at_the_post(WRITE_ONCE))

    async def revoke(self, number: int) -> bool:
        attempt = Attempt(letter=self.letter, number=number)
        limit = timedelta(minutes=10)
        return await workflow.execute_activity_method(Fences.revoke, attempt, schedule_to_close_timeout=limit)

    async def search(self, after: Effect) -> Found:
        found = await workflow.execute_activity_method(Post.find, self.letter, **at_the_post(READ))
        return Found(candidates=tuple(found), evidence=("letters with the reference",))

    async def identify(self, candidate: str) -> str | None:
        letter = await workflow.execute_activity_method(Post.read, candidate, **at_the_post(READ))
        return candidate if letter == self.letter else None

    async def ask(self, found: Found) -> str | None:
        self.person.asks, self.person.answer = True, None
        await workflow.wait_condition(lambda: self.person.answer is not None)
        self.person.asks, answer = False, self.person.answer
        return None if answer == "again" else answer
