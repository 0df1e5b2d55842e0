"""Faults by script: which call or delivery goes wrong, how, and how often; see `docs/sandbox.md`."""

import fnmatch
import random
import sys
import time
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from countersign.sandbox.store import Store

Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

API_ACTIONS = Literal[
    "status",
    "rate_limit",
    "redirect",
    "latency",
    "hang",
    "drop",
    "reset",
    "truncate",
    "corrupt",
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
        seconds: How long `latency`, `hang` and each step of `drip` last.
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


_RANDOM_API: Final[tuple[dict[str, Any], ...]] = (
    {"do": "status", "status": 500, "at": "before"},
    {"do": "status", "status": 502, "at": "after"},
    {"do": "status", "status": 503, "at": "before"},
    {"do": "rate_limit", "retry_after": 1},
    {"do": "drop", "at": "before"},
    {"do": "drop", "at": "after"},
    {"do": "reset", "at": "after"},
    {"do": "truncate", "at": "after"},
    {"do": "corrupt", "at": "after"},
    {"do": "empty", "at": "after"},
    {"do": "html", "at": "after", "status": 200},
    {"do": "latency", "at": "after", "seconds": 0.5},
    {"do": "drop", "at": "late", "commit_after": 1.0},
)
_RANDOM_WEBHOOKS: Final[tuple[dict[str, Any], ...]] = (
    {"do": "drop"},
    {"do": "fail"},
    {"do": "duplicate"},
    {"do": "delay", "seconds": 0.5},
    {"do": "reorder", "seconds": 1.0},
    {"do": "wrong_signature"},
    {"do": "stale_timestamp", "seconds": -900},
)
_SETTING: Final = "faults"


class Faults:
    """The script at work; it and its counts survive a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        kept = store.setting(_SETTING)
        self._start(Script.model_validate(kept) if kept else Script())

    @property
    def script(self) -> Script:
        """The script with its counts."""
        return self._script

    def set(self, script: Script) -> None:
        """Replace the script; its clock starts now. A seed that was chosen is printed."""
        needs_dice = script.random or any(each.probability < 1 for each in (*script.api, *script.webhooks))
        if script.seed is None:
            script = script.model_copy(update={"seed": random.SystemRandom().randrange(2**32)})
        if needs_dice:
            print(f"Sandbox faults: seed {script.seed}", file=sys.stderr, flush=True)  # noqa: T201 - so that a failed run can be repeated
        self._start(script)
        self._keep()

    def for_call(self, method: str, path: str) -> ApiFault | None:
        """Choose the fault of an API call, and count it."""
        fault = self._first([each for each in self._script.api if each.matches(method, path)])
        if fault is None and self._script.random and self._dice.random() < self._script.random.api:
            fault = ApiFault.model_validate(self._dice.choice(_RANDOM_API))
        return fault

    def for_delivery(self, event_type: str) -> WebhookFault | None:
        """Choose the fault of a delivery attempt, and count it."""
        rules = [each for each in self._script.webhooks if each.do != "before_reply"]
        fault = self._first([each for each in rules if each.matches(event_type)])
        if fault is None and self._script.random and self._dice.random() < self._script.random.webhooks:
            fault = WebhookFault.model_validate(self._dice.choice(_RANDOM_WEBHOOKS))
        return fault

    def before_reply(self, event_type: str) -> bool:
        """Tell whether an event goes out before the call that caused it is answered."""
        rules = [each for each in self._script.webhooks if each.do == "before_reply"]
        return self._first([each for each in rules if each.matches(event_type)]) is not None

    def _first(self, rules: list[RuleT]) -> RuleT | None:
        elapsed = time.monotonic() - self._since
        fired = next((each for each in rules if each.fires(elapsed, self._dice)), None)
        if rules:
            self._keep()
        return fired

    def _start(self, script: Script) -> None:
        self._script = script
        self._dice = random.Random(script.seed)  # noqa: S311 - repeatable, not secret
        self._since = time.monotonic()

    def _keep(self) -> None:
        self._store.set(_SETTING, self._script.model_dump(mode="json"))
