"""The activities: a post API that takes no idempotency key."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel
from temporalio import activity

from countersign.providers.api import ApiClient, ApiSettings, Call
from countersign.storage import Fence


class PostSettings(ApiSettings):
    """`POST_BASE_URL`, `POST_API_KEY`."""

    prefix: ClassVar[str] = "POST_"
    live_host: ClassVar[str] = "api.post.example"


class Letter(BaseModel):
    """A letter; its reference is unique, and the API finds letters by it."""

    reference: str
    text: str


class Attempt(BaseModel):
    """One attempt to post a letter."""

    letter: Letter
    number: int

    @property
    def fence(self) -> str:
        """The key of the attempt's fence in the store."""
        return f"letters/{self.letter.reference}/posting-{self.number}.json"


@dataclass(frozen=True)
class Post:
    """Activities that call the API."""

    api: ApiClient
    fence: Fence

    @activity.defn
    async def post(self, attempt: Attempt) -> str:
        """Post the letter and return its id; Temporal must not retry it."""
        await self.fence.begin(attempt.fence)
        call = Call(operation="post", method="POST", path="/letters", body=attempt.letter.model_dump())
        return await self.api.request(call, lambda body: str(body["id"]))

    @activity.defn
    async def find(self, letter: Letter) -> list[str]:
        """Return the ids of the letters with the reference."""
        call = Call(operation="find", path="/letters", query={"reference": letter.reference})
        return await self.api.request(call, lambda body: [str(found["id"]) for found in body["letters"]])

    @activity.defn
    async def read(self, letter_id: str) -> Letter:
        """Return a letter."""
        call = Call(operation="read", path="/letters/{letter}", ids={"letter": letter_id})
        return await self.api.request(call, Letter.model_validate)


@dataclass(frozen=True)
class Fences:
    """The activity that needs the store alone, on the workflow's queue: no open circuit holds it up."""

    fence: Fence

    @activity.defn
    async def revoke(self, attempt: Attempt) -> bool:
        """Keep an attempt from beginning; False if it began."""
        return await self.fence.revoke(attempt.fence)
