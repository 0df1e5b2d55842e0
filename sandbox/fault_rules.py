"""What a script of faults may say: which call or delivery goes wrong, how, and how often."""

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
    """When a fault happens. Every matching call counts; of several rules the first that fires is used.

    Args:
        times: How often it happens; None is for ever.
        skip: How many matching calls pass first.
        probability: The chance that a matching call is hit, by the plan's seed.
        after_seconds: It starts so long after the plan was set, in real time.
        for_seconds: It ends so long after it started; None is never.
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
        """Decide about one matching call, `elapsed` seconds after the plan was set, and count it."""
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
        path: A path, `*` standing for anything.
        method: A method; None is any.
        do: What goes wrong.
        at: Is the call's work done? `before`: never; `after`: first; `late`: when `commit_after` is over.
        commit_after: Seconds until the work is done, for `late`.
        status: The status of `status`, `redirect` and `html`.
        body: The body of `status`: text as it is, else JSON.
        headers: Further headers of `status`.
        retry_after: The Retry-After header: text or number as it is, None for none.
        retry_after_date: Retry-After as an HTTP date so many seconds from now.
        location: Where `redirect` points.
        seconds: How long `latency`, `hang` and each step of `drip` last, and how long `close` waits.
        fields: What `fields` puts in the place of an answer's own.
        content_type: What `content_type` claims.
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
        """Tell whether a call is one it is for."""
        return self.method in {None, method} and fnmatch.fnmatchcase(path, self.path)


class WebhookFault(Rule):
    """A fault of webhook deliveries; every attempt counts.

    Args:
        event: An event's name without prefix, `*` standing for anything.
        do: What goes wrong.
        seconds: How long `delay` and at most `reorder` hold it; what `stale_timestamp` adds, often negative.
        copies: How many more times `duplicate` sends it.
        new_delivery_id: Whether each of those has a delivery id of its own.
    """

    event: str = "*"
    do: WEBHOOK_ACTIONS
    seconds: Annotated[float, Field(ge=-86400, le=86400, allow_inf_nan=False)] = 1.0
    copies: Annotated[int, Field(ge=1, le=100)] = 1
    new_delivery_id: bool = False

    def matches(self, event_type: str) -> bool:
        """Tell whether an event is one it is for."""
        return fnmatch.fnmatchcase(event_type.rpartition(".")[2], self.event)


class RandomFaults(BaseModel):
    """Faults by chance, the same for the same seed and order of calls.

    Args:
        api: The share of API calls that go wrong.
        webhooks: The share of delivery attempts that go wrong.
    """

    model_config = ConfigDict(extra="forbid")

    api: Share = 0.1
    webhooks: Share = 0.1


class Script(BaseModel):
    """All faults that are set. Without a seed one is chosen and shown."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = None
    api: list[ApiFault] = []
    webhooks: list[WebhookFault] = []
    random: RandomFaults | None = None
