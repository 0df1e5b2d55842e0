"""The script of faults: which calls and deliveries fail, how, and how often."""

import fnmatch
import random
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

API_ACTIONS = Literal[
    "status",
    "rate_limit",
    "redirect",
    "latency",
    "close",
    "hang",
    "drop",
    "reset",
    "truncate",
    "corrupt",
    "fields",
    "empty",
    "html",
    "content_type",
    "content_length",
    "drip",
    "endless",
    "gzip",
]
WEBHOOK_ACTIONS = Literal[
    "drop",
    "fail",
    "duplicate",
    "delay",
    "reorder",
    "before_reply",
    "wrong_signature",
    "tamper",
    "stale_timestamp",
    "rotate_secret",
    "old_secret",
]


class Rule(BaseModel):
    """When a fault happens. The sandbox counts all matching calls and uses the first rule that fires.

    Args:
        times: How often it happens; None for no limit.
        skip: Matching calls that pass first.
        probability: The chance of a matching call, from the script's seed.
        after_seconds: Real time from setting the script to the start.
        for_seconds: Real time from the start to the end; None for no end.
    """

    model_config = ConfigDict(extra="forbid")

    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1
    skip: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    probability: Share = 1.0
    after_seconds: Seconds = 0
    for_seconds: Seconds | None = None
    hits: Annotated[int, Field(ge=0)] = 0
    seen: Annotated[int, Field(ge=0)] = 0

    def fires(self, elapsed: float, dice: random.Random) -> bool:
        """Count a matching call and return whether the fault happens.

        `elapsed` is the time in seconds since the script was set.
        """
        end = None if self.for_seconds is None else self.after_seconds + self.for_seconds
        if elapsed < self.after_seconds or (end is not None and elapsed >= end):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.probability < 1 and dice.random() >= self.probability):
            return False
        self.hits += 1
        return True


RuleT = TypeVar("RuleT", bound=Rule)


class ApiFault(Rule):
    """A fault of the API.

    Args:
        path: A path; `*` matches anything.
        method: A method; None matches all.
        do: The fault.
        at: When the call does its work: `before`, never; `after`, before the fault; `late`, `commit_after`
            seconds later.
        commit_after: Seconds until the work is done, for `late`.
        status: The status of `status`, `redirect` and `html`.
        body: The body of `status`: text unchanged, other values as JSON.
        headers: Further headers of `status`.
        retry_after: The Retry-After header; None for none.
        retry_after_date: Seconds from now, sent as an HTTP date in Retry-After.
        location: Where `redirect` points.
        seconds: Duration of `latency`, `hang` and a step of `drip`, and the delay of `close`.
        fields: New values for fields of the response, for `fields`.
        content_type: The content type of `content_type`.
        length: What `content_length` adds to the length.
        size: Bytes that `endless` and `gzip` unpack to.
    """

    path: str = "*"
    method: str | None = None
    do: API_ACTIONS
    at: Literal["before", "after", "late"] = "before"
    commit_after: Seconds = 1.0
    status: Annotated[int, Field(ge=200, le=599)] = 500
    body: Any = None
    headers: dict[str, str] = {}
    retry_after: str | int | float | None = None
    retry_after_date: float | None = None
    location: str = "http://127.0.0.1:9/"
    seconds: Seconds | None = None
    fields: dict[str, Any] = {}
    content_type: str = "text/plain"
    length: int = 10
    size: Annotated[int, Field(ge=0, le=2**30)] = 2**26

    @model_validator(mode="after")
    def _header_safe(self) -> Self:
        texts = [
            self.location,
            self.content_type,
            *self.headers,
            *self.headers.values(),
            str(self.retry_after),
        ]
        if not all(text.isascii() and text.isprintable() for text in texts):
            raise ValueError("headers must be printable ASCII")
        return self

    def matches(self, method: str, path: str) -> bool:
        """Return whether the rule applies to a call."""
        return self.method in {None, method} and fnmatch.fnmatchcase(path, self.path)


class WebhookFault(Rule):
    """A fault of webhook deliveries; every attempt counts.

    Args:
        event: An event's name without prefix; `*` matches anything.
        do: The fault.
        seconds: Duration of `delay`, longest duration of `reorder`, and the offset of `stale_timestamp`.
        copies: Additional deliveries of `duplicate`.
        new_delivery_id: Whether these have new delivery ids.
    """

    event: str = "*"
    do: WEBHOOK_ACTIONS
    seconds: Annotated[float, Field(ge=-86400, le=86400, allow_inf_nan=False)] = 1.0
    copies: Annotated[int, Field(ge=1, le=100)] = 1
    new_delivery_id: bool = False

    def matches(self, event_type: str) -> bool:
        """Return whether the rule applies to an event."""
        return fnmatch.fnmatchcase(event_type.rpartition(".")[2], self.event)


class RandomFaults(BaseModel):
    """Random faults, repeatable for the same seed and order of calls.

    Args:
        api: The share of API calls.
        webhooks: The share of delivery attempts.
    """

    model_config = ConfigDict(extra="forbid")

    api: Share = 0.1
    webhooks: Share = 0.1


class Script(BaseModel):
    """All faults. Without a seed, the sandbox chooses one."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = None
    api: list[ApiFault] = []
    webhooks: list[WebhookFault] = []
    random: RandomFaults | None = None
