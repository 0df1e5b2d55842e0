"""Choose the fault of a call or a delivery, repeatably for the same seed."""

import asyncio
import random
import sys
import time
from contextlib import suppress
from typing import Any, Final

from sandbox.core.fault_rules import ApiFault, RuleT, Script, WebhookFault
from sandbox.core.store import Store

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
    """The current script; it and its counts survive a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replaced = asyncio.Event()
        kept = store.setting(_SETTING)
        self._start(Script.model_validate(kept) if kept else Script())

    @property
    def script(self) -> Script:
        """The script with its counts."""
        return self._script

    async def hold(self, seconds: float) -> None:
        """Wait for some seconds, or until the current script is replaced."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._replaced.wait()

    def set(self, script: Script) -> None:
        """Replace the script, and end what the old one holds. Print the seed if the script is random."""
        needs_dice = script.random or any(rule.probability < 1 for rule in (*script.api, *script.webhooks))
        if script.seed is None:
            script = script.model_copy(update={"seed": random.SystemRandom().randrange(2**32)})
        if needs_dice:
            print(f"Sandbox faults: seed {script.seed}", file=sys.stderr, flush=True)  # noqa: T201 - to repeat a failed run
        self._start(script)
        self._keep()

    def for_call(self, method: str, path: str) -> ApiFault | None:
        """Choose the fault of an API call, and count it."""
        fault = self._first([rule for rule in self._script.api if rule.matches(method, path)])
        if fault is None and self._script.random and self._dice.random() < self._script.random.api:
            fault = ApiFault.model_validate(self._dice.choice(_RANDOM_API))
        return fault

    def for_delivery(self, event_type: str) -> WebhookFault | None:
        """Choose the fault of a delivery attempt, and count it."""
        rules = [webhook for webhook in self._script.webhooks if webhook.do != "before_reply"]
        fault = self._first([rule for rule in rules if rule.matches(event_type)])
        if fault is None and self._script.random and self._dice.random() < self._script.random.webhooks:
            fault = WebhookFault.model_validate(self._dice.choice(_RANDOM_WEBHOOKS))
        return fault

    def before_reply(self, event_type: str) -> bool:
        """Return whether an event is delivered before the response of the call that caused it."""
        rules = [webhook for webhook in self._script.webhooks if webhook.do == "before_reply"]
        return self._first([rule for rule in rules if rule.matches(event_type)]) is not None

    def _first(self, rules: list[RuleT]) -> RuleT | None:
        elapsed = time.monotonic() - self._since
        fired = next((rule for rule in rules if rule.fires(elapsed, self._dice)), None)
        if rules:
            self._keep()
        return fired

    def _start(self, script: Script) -> None:
        self._script = script
        self._replaced.set()
        self._replaced = asyncio.Event()
        self._dice = random.Random(script.seed)  # noqa: S311 - repeatable, not secret
        self._since = time.monotonic()

    def _keep(self) -> None:
        self._store.set(_SETTING, self._script.model_dump(mode="json"))
