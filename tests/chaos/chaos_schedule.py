"""Draw the schedule of a run from a seed. Pure."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.chaos.chaos_accounts import CHAOS_ACCOUNTS, TURBODOCX, Call, ChaosAccount
from tests.chaos.chaos_evidence import Wish

_OURS: Final = {"worker": 3, "worker-2": 3, "receiver": 2}
_SANDBOX: Final = 2
_TEMPORAL: Final = {"temporal": 1}
"""The weights of the parts that are killed and frozen."""

FORGED: Final = 1 / 12
"""Share of agreements for which another member makes a document with its marker."""

LOST_SENDS: Final = 1 / 6
"""Maximum share of sends with faults, where an agreement whose send was lost must wait for a person."""

_LOST: Final[tuple[dict[str, Any], ...]] = (
    {"do": "status", "status": 500},
    {"do": "status", "status": 502},
    {"do": "drop"},
    {"do": "reset"},
    {"do": "hang", "seconds": 6},
    {"do": "truncate"},
    {"do": "content_length"},
    {"do": "corrupt"},
    {"do": "empty"},
    {"do": "html", "status": 200},
    {"do": "gzip", "size": 1000},
)
"""Unreadable responses, without and with the work of the call."""

FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"do": "rate_limit", "retry_after": 1},
    {"do": "status", "status": 503, "headers": {"retry-after": "1"}},
    {"do": "latency", "seconds": 1, "at": "before"},
    {"do": "latency", "seconds": 1, "at": "after"},
    {"do": "drop", "at": "late", "commit_after": 2},
    *({**fault, "at": at} for fault in _LOST for at in ("before", "after")),
)

DENIED: Final[tuple[dict[str, Any], ...]] = (
    {"do": "rate_limit", "retry_after": 1, "at": "after"},
    *(
        {"do": "status", "status": status, "body": {"message": "no"}, "at": "after"}
        for status in (400, 401, 403, 404, 409, 422)
    ),
)
"""Statuses that deny a send whose work was done first."""

WEBHOOK_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"do": "drop"},
    {"do": "fail"},
    {"do": "duplicate", "copies": 2},
    {"do": "duplicate", "new_delivery_id": True},
    {"do": "delay", "seconds": 3},
    {"do": "reorder", "seconds": 3},
    {"do": "wrong_signature"},
    {"do": "stale_timestamp", "seconds": -900},
)


@dataclass(frozen=True)
class Disruption:
    """A part is killed and restarted, or frozen and resumed, after some seconds."""

    at: float
    part: str
    do: Literal["kill", "freeze"]
    seconds: float


@dataclass(frozen=True)
class Order:
    """An agreement, and the end that people want for it.

    Args:
        at: Seconds until its start.
        reference: Its reference.
        account: Its account.
        wish: The end that people want.
        after: Seconds until they act.
        once_sent: Whether they void it only after its send.
        forged: Whether another member makes a document with its marker.
    """

    at: float
    reference: str
    wish: Wish
    after: float
    account: str = TURBODOCX.name
    once_sent: bool = False
    forged: bool = False


@dataclass(frozen=True)
class Schedule:
    """The schedule of a run.

    Args:
        seed: Its seed.
        seconds: Duration of the disruptions.
        orders: The agreements, by time.
        disruptions: The disruptions, by time.
        faults: The scripts of the sandboxes, by account.
    """

    seed: int
    seconds: float
    orders: tuple[Order, ...]
    disruptions: tuple[Disruption, ...]
    faults: dict[str, dict[str, Any]]

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of the agreements."""
        return tuple(dict.fromkeys(order.account for order in self.orders))


def draw(
    seed: int,
    *,
    agreements: int,
    kills: int,
    freezes: int,
    seconds: float,
    stutters: int = 0,
    accounts: Sequence[str] = tuple(CHAOS_ACCOUNTS),
) -> Schedule:
    """Draw a schedule, which is the same for the same arguments.

    The agreements alternate between the accounts.
    A stutter freezes the Temporal server for less than a second: some fall between giving a task to a worker
    and recording that.
    """
    rng = random.Random(seed)
    chosen = [CHAOS_ACCOUNTS[name] for name in accounts]
    parts = parts_of(accounts)
    disruptions = [_disruption(rng, parts, "kill", seconds) for _ in range(kills)]
    disruptions += [_disruption(rng, parts, "freeze", seconds) for _ in range(freezes)]
    disruptions += [
        Disruption(rng.uniform(1, seconds), "temporal", "freeze", rng.uniform(0.05, 0.8))
        for _ in range(stutters)
    ]
    return Schedule(
        seed=seed,
        seconds=seconds,
        orders=tuple(
            _order(rng, number, agreements, seconds, chosen[number % len(chosen)])
            for number in range(agreements)
        ),
        disruptions=tuple(sorted(disruptions, key=lambda disruption: disruption.at)),
        faults={account.name: _faults(rng, seed, agreements // len(chosen), account) for account in chosen},
    )


def parts_of(accounts: Sequence[str]) -> dict[str, int]:
    """Return the parts that are killed and frozen in a run over some accounts, with their weights."""
    return _OURS | {CHAOS_ACCOUNTS[name].part: _SANDBOX for name in accounts} | _TEMPORAL


def _disruption(
    rng: random.Random, parts: dict[str, int], do: Literal["kill", "freeze"], seconds: float
) -> Disruption:
    part = rng.choices(list(parts), list(parts.values()))[0]
    return Disruption(
        rng.uniform(1, seconds), part, do, rng.uniform(0, 2) if do == "kill" else rng.uniform(1, 6)
    )


def _order(rng: random.Random, number: int, agreements: int, seconds: float, account: ChaosAccount) -> Order:
    wish = rng.choices(["sign", "void", "cancel"], [84, 8, 8])[0]
    return Order(
        at=seconds * 0.9 * number / agreements,
        reference=f"chaos-{number:04}",
        wish=wish,  # type: ignore[arg-type]  # choices() widens the literal
        after=rng.uniform(0, 8),
        account=account.name,
        once_sent=rng.random() < 2 / 3,
        forged=rng.random() < FORGED,
    )


def _faults(rng: random.Random, seed: int, agreements: int, account: ChaosAccount) -> dict[str, Any]:
    """Script all faults of all calls at random calls, and random faults of webhooks.

    A short run makes too few calls for all faults.
    """
    rules: list[dict[str, Any]] = []
    for call, repetitions in account.calls.items():
        chosen = rng.sample(faults_of(account, call), len(faults_of(account, call)))
        is_write = call in account.writes
        share = LOST_SENDS if is_write and not account.is_conclusive else 1 / 2
        limit = int(agreements * share)
        times = max(1, limit // len(chosen)) if is_write else 1
        skips = max(1, int(agreements * repetitions * 0.7))
        rules += [_rule(call, fault, times, rng.randrange(skips)) for fault in chosen[:limit]]
    webhooks = [
        {"probability": 0.03, "times": None, **fault} for fault in (*WEBHOOK_FAULTS, *account.webhook_faults)
    ]
    return {"seed": seed, "api": rules, "webhooks": webhooks}


def faults_of(account: ChaosAccount, call: Call) -> list[dict[str, Any]]:
    """Return the faults of a call.

    Downloads and templates have no flipped byte: TLS detects it, and without TLS the client cannot, because
    the provider sends no checksum.
    """
    faults = (*FAULTS, *DENIED) if call == account.send else FAULTS
    return [fault for fault in faults if not (fault["do"] == "corrupt" and call[1] in account.unchecked)]


def _rule(call: Call, fault: dict[str, Any], times: int, skip: int) -> dict[str, Any]:
    return {**fault, "method": call[0], "path": call[1], "times": times, "skip": skip}


def coverage(script: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Count by call, and for webhooks: faults that hit, all faults, and hits.

    Args:
        script: The script with its hits, as the sandbox returns it.
    """
    hits: dict[str, list[int]] = {}
    for rule in script["api"]:
        hits.setdefault(_name(rule), []).append(rule["hits"])
    for rule in script["webhooks"]:
        hits.setdefault("webhooks", []).append(rule["hits"])
    return {name: (sum(map(bool, found)), len(found), sum(found)) for name, found in hits.items()}


def unmet(script: dict[str, Any]) -> list[str]:
    """Return the names of faults without hits."""
    return [f"{_name(rule)}: {rule['do']} {rule['at']}" for rule in script["api"] if not rule["hits"]]


def _name(rule: dict[str, Any]) -> str:
    return f"{rule['method']} {re.sub('[?]+', '*', rule['path'])}"
