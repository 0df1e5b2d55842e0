"""What goes wrong and when, all of it drawn from one seed before the run begins. Pure."""

import random
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.chaos.chaos_evidence import Wish

PARTS: Final = {"worker": 3, "worker-2": 3, "receiver": 2, "sandbox": 2, "temporal": 1}
"""What is killed and frozen, and how often in proportion."""

SEND: Final = ("POST", "/turbosign/single/prepare-for-signing")

CALLS: Final = {
    ("GET", "/template/*"): 0.02,
    ("POST", "/v1/deliverable"): 1.0,
    ("GET", "/v1/deliverable"): 0.1,
    SEND: 1.0,
    ("GET", "/turbosign/documents/*/recipients"): 1.5,
    ("POST", "/turbosign/documents/*/void"): 0.05,
    ("POST", "/turbosign/documents/*/send-reminder"): 0.3,
    ("GET", "/turbosign/documents/*/download"): 0.8,
    ("GET", "/turbosign/documents/*/audit-trail"): 0.8,
    ("GET", "/_sandbox/storage/*"): 0.8,
    ("GET", "/api/webhooks/signature/deliveries"): 0.1,
}
"""Every call to the provider that an agreement makes, and about how often it does."""

LOST_SENDS: Final = 1 / 6
"""At most so many sends are hit: one whose work was never done must wait for a person."""

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
"""Answers that cannot be read: each with the work never done, and with the work done first."""

FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"do": "rate_limit", "retry_after": 1},
    {"do": "status", "status": 503, "headers": {"retry-after": "1"}},
    {"do": "latency", "seconds": 1, "at": "before"},
    {"do": "latency", "seconds": 1, "at": "after"},
    {"do": "drop", "at": "late", "commit_after": 2},
    *({**fault, "at": at} for fault in _LOST for at in ("before", "after")),
)

WEBHOOK_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"do": "drop"},
    {"do": "fail"},
    {"do": "duplicate", "copies": 2},
    {"do": "duplicate", "new_delivery_id": True},
    {"do": "delay", "seconds": 3},
    {"do": "reorder", "seconds": 3},
    {"do": "wrong_signature"},
    {"do": "tamper"},
    {"do": "stale_timestamp", "seconds": -900},
    {"do": "before_reply", "event": "sent"},
)


@dataclass(frozen=True)
class Blow:
    """A part is killed, and started again after some seconds; or frozen, and let go after them."""

    at: float
    part: str
    do: Literal["kill", "freeze"]
    seconds: float


@dataclass(frozen=True)
class Order:
    """An agreement that is started, and what people want to become of it so many seconds later.

    Args:
        at: When it is started.
        reference: Its reference.
        wish: What people want.
        after: Seconds until they act.
        once_sent: Whether they take it back only when its document is out.
    """

    at: float
    reference: str
    wish: Wish
    after: float
    once_sent: bool = False


@dataclass(frozen=True)
class Schedule:
    """A whole run.

    Args:
        seed: What it was drawn from.
        seconds: How long things go wrong.
        orders: The agreements, in their order.
        blows: What happens to the parts, in its order.
        faults: The sandbox's script.
    """

    seed: int
    seconds: float
    orders: tuple[Order, ...]
    blows: tuple[Blow, ...]
    faults: dict[str, Any]


def draw(
    seed: int, *, agreements: int, kills: int, freezes: int, seconds: float, stutters: int = 0
) -> Schedule:
    """Draw a schedule: the same for the same arguments.

    A stutter freezes the Temporal server for less than a second, so that some fall between the moment in
    which it hands a task out and the moment in which it records that.
    """
    dice = random.Random(seed)
    blows = [_blow(dice, "kill", seconds) for _ in range(kills)]
    blows += [_blow(dice, "freeze", seconds) for _ in range(freezes)]
    blows += [
        Blow(dice.uniform(1, seconds), "temporal", "freeze", dice.uniform(0.05, 0.8)) for _ in range(stutters)
    ]
    return Schedule(
        seed=seed,
        seconds=seconds,
        orders=tuple(_order(dice, number, agreements, seconds) for number in range(agreements)),
        blows=tuple(sorted(blows, key=lambda blow: blow.at)),
        faults=_faults(dice, seed, agreements),
    )


def _blow(dice: random.Random, do: Literal["kill", "freeze"], seconds: float) -> Blow:
    part = dice.choices(list(PARTS), list(PARTS.values()))[0]
    return Blow(
        dice.uniform(1, seconds), part, do, dice.uniform(0, 2) if do == "kill" else dice.uniform(1, 6)
    )


def _order(dice: random.Random, number: int, agreements: int, seconds: float) -> Order:
    wish = dice.choices(["sign", "void", "cancel"], [84, 8, 8])[0]
    return Order(
        at=seconds * 0.9 * number / agreements,
        reference=f"chaos-{number:04}",
        wish=wish,  # type: ignore[arg-type]  # choices() widens the literal
        after=dice.uniform(0, 8),
        once_sent=dice.random() < 2 / 3,
    )


def _faults(dice: random.Random, seed: int, agreements: int) -> dict[str, Any]:
    """Script every fault of every call, each at some call that the dice choose, and some webhooks' faults.

    A short run makes too few calls to meet them all.
    """
    rules: list[dict[str, Any]] = []
    for call, repetitions in CALLS.items():
        chosen = dice.sample(faults_of(call), len(faults_of(call)))
        limit = int(agreements * LOST_SENDS) if call == SEND else agreements // 2
        times = max(1, limit // len(chosen)) if call == SEND else 1
        skips = max(1, int(agreements * repetitions * 0.7))
        rules += [_rule(call, fault, times, dice.randrange(skips)) for fault in chosen[:limit]]
    webhooks = [{"probability": 0.03, "times": None, **fault} for fault in WEBHOOK_FAULTS]
    return {"seed": seed, "api": rules, "webhooks": webhooks}


def faults_of(call: tuple[str, str]) -> list[dict[str, Any]]:
    """List what can go wrong with a call.

    A flipped byte is left out of downloads, and of templates, whose placeholders would have other names: TLS
    notices it, and the provider tells no checksum by which we could.
    """
    whole = call[1].startswith(("/_sandbox/storage/", "/template/"))
    return [fault for fault in FAULTS if not (fault["do"] == "corrupt" and whole)]


def _rule(call: tuple[str, str], fault: dict[str, Any], times: int, skip: int) -> dict[str, Any]:
    return {**fault, "method": call[0], "path": call[1], "times": times, "skip": skip}


def coverage(script: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Tell of each call, and of the webhooks: how many faults of the script were met, of how many, how often.

    Args:
        script: As the sandbox shows it, with the hits of each fault.
    """
    hits: dict[str, list[int]] = {}
    for rule in script["api"]:
        hits.setdefault(_name(rule), []).append(rule["hits"])
    for rule in script["webhooks"]:
        hits.setdefault("webhooks", []).append(rule["hits"])
    return {name: (sum(map(bool, found)), len(found), sum(found)) for name, found in hits.items()}


def unmet(script: dict[str, Any]) -> list[str]:
    """Name the faults of calls that no call met."""
    return [f"{_name(rule)}: {rule['do']} {rule['at']}" for rule in script["api"] if not rule["hits"]]


def _name(rule: dict[str, Any]) -> str:
    return f"{rule['method']} {rule['path']}"
