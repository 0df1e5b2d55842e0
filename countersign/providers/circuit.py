"""The circuit: while a provider is unhealthy or rejects the key, work waits instead of failing.

    CLOSED ──10 failures in a row──▶ OPEN ──60 s, probe good──▶ RECOVERING ──1, 2, 4 … good──▶ CLOSED
       │                              ▲ ◀──probe bad──┘             │
       │                              └───────── one failure ───────┘
       └──401, 402, 403, bad certificate──▶ BLOCKED ──probe good──▶ RECOVERING

Pure but for its clock: it makes no calls and starts no tasks. Each process has its own.
`call_health.py` defines a failure. A 403 may concern the key or one document. The probe decides: soon after
its success, a 403 is a normal response. Calls that began before the last change are ignored.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from types import TracebackType
from typing import Final

from countersign.providers.call_health import BLOCKING, CallHealth, call_health
from countersign.providers.errors import BlockedError, KeyReplacedError

_BUSY_SECONDS: Final = 1.0
"""Seconds that a call waits while all slots of the recovery are taken."""


class State(StrEnum):
    """Where a circuit is."""

    CLOSED = "closed"
    OPEN = "open"
    RECOVERING = "recovering"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRules:
    """The circuit's numbers. `failures` and `slots` are settings; the time scale of tests divides the waits.

    Args:
        failures: Consecutive failures that open the circuit; 0 turns it off.
        cooldown: Seconds from opening to the probe, and between probes.
        blocked_probe: Seconds between probes while the key, the plan or the certificate is rejected.
        slots: Concurrent calls while the circuit is closed.
    """

    failures: int = 10
    cooldown: float = 60
    blocked_probe: float = 30
    slots: int = 20

    def at(self, time_scale: float) -> "CircuitRules":
        """Return rules that probe `time_scale` times as often."""
        return replace(
            self, cooldown=self.cooldown / time_scale, blocked_probe=self.blocked_probe / time_scale
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A circuit at one moment: its state, why, for how many seconds, and in how many seconds it probes."""

    state: State
    reason: str
    allowed: int
    probe_in: float | None
    seconds: float


class Circuit:
    """One provider's circuit; safe under threads.

    Args:
        rules: Its numbers.
        clock: Seconds, monotonic.
    """

    def __init__(self, rules: CircuitRules, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._clock = clock
        self._lock = threading.RLock()
        self._listeners: list[Callable[[Snapshot], None]] = []
        self._state = State.CLOSED
        self._reason = ""
        self._epoch = self._failures = self._good = self._flying = 0
        self._allowed = rules.slots
        self._probe_at = self._probed_at = self._vouched_at = float("-inf")
        self._since = clock()

    def subscribe(self, listener: Callable[[Snapshot], None]) -> None:
        """Call a listener after every change, on any thread; it must not block."""
        self._listeners.append(listener)

    def snapshot(self) -> Snapshot:
        """Return the current state."""
        with self._lock:
            halted = self._state in {State.OPEN, State.BLOCKED}
            wait = max(self._probe_at - self._clock(), 0.0) if halted else None
            allowed = 0 if halted else self._allowed
            return Snapshot(self._state, self._reason, allowed, wait, self._clock() - self._since)

    def guard(self, operation: str, *, counts: bool = True) -> "Guard":
        """Guard one call, as a context manager, and classify what it raises.

        Args:
            operation: The call.
            counts: Whether a failure of the provider counts; a refused key always does.

        Raises:
            BlockedError: On entering: nothing may go out now.
        """
        return Guard(self, operation, counts=counts)

    def enter(self, operation: str) -> int:
        """Begin a call; see `guard`. Returns what `leave` wants."""
        with self._lock:
            if self._state is not State.CLOSED:
                self._hold_back(operation)
            self._flying += 1
            return self._epoch

    def leave(self, epoch: int, error: BaseException | None, *, counts: bool = True) -> None:
        """End a call; see `guard`."""
        health = call_health(error)
        with self._lock:
            if epoch != self._epoch:
                return
            self._flying -= 1
            self._learn(health if counts or health is not CallHealth.BAD else CallHealth.NEUTRAL)

    def _hold_back(self, operation: str) -> None:
        now = self.snapshot()
        if now.probe_in is None and self._flying < self._allowed:
            return
        wait = max(now.probe_in or 0, _BUSY_SECONDS)
        raise BlockedError(f"{operation}: held back: {now.reason}", operation=operation, retry_after=wait)

    def begin_probe(self) -> None:
        """Note that a probe goes out now, so that no second one does."""
        with self._lock:
            self._probed_at = self._clock()
            self._probe_at = self._probed_at + self._pause()

    def end_probe(self, error: BaseException | None) -> None:
        """Learn what the probe ended in."""
        health = call_health(error)
        with self._lock:
            if isinstance(error, KeyReplacedError):
                self._probe_at = self._clock()
            elif health is CallHealth.GOOD:
                self._vouched_at = self._clock()
                self._change(State.RECOVERING, "recovering", allowed=1)
            elif health is not CallHealth.NEUTRAL:
                self._halt(health)

    def _learn(self, health: CallHealth) -> None:
        if health is CallHealth.PERMISSION and self._clock() - self._vouched_at < self.rules.blocked_probe:
            health = CallHealth.GOOD  # the probe has just shown that the key is valid
        if health in BLOCKING:
            self._halt(health)
        elif health is CallHealth.BAD:
            self._failures += 1
            if self._state is State.RECOVERING or self._failures == self.rules.failures:
                self._halt(health)
        elif health is CallHealth.GOOD:
            self._failures = 0
            if self._state is State.RECOVERING:
                self._recover()

    def _recover(self) -> None:
        self._good += 1
        if self._good < self._allowed:
            return
        if self._allowed * 2 >= self.rules.slots:
            self._change(State.CLOSED, "", allowed=self.rules.slots)
        else:
            self._good, self._allowed = 0, self._allowed * 2
            self._notify()

    def _halt(self, health: CallHealth) -> None:
        if self.rules.failures == 0:
            return
        held = health in BLOCKING
        state, reason = (State.BLOCKED, health.value) if held else (State.OPEN, "the provider is failing")
        self._change(state, reason, allowed=0)
        now = self._clock()
        if held:  # the key may be replaced already: probe soon, but not repeatedly
            self._probe_at = max(now, self._probed_at + self.rules.blocked_probe)
        else:
            self._probe_at = now + self.rules.cooldown

    def _pause(self) -> float:
        return self.rules.blocked_probe if self._state is State.BLOCKED else self.rules.cooldown

    def _change(self, state: State, reason: str, *, allowed: int) -> None:
        if (state, reason) != (self._state, self._reason):
            self._since = self._clock()
        self._state, self._reason, self._allowed = state, reason, allowed
        self._epoch += 1
        self._failures = self._good = self._flying = 0
        self._notify()

    def _notify(self) -> None:
        snapshot = self.snapshot()
        for listener in self._listeners:
            listener(snapshot)


class Guard:
    """One call's way through the circuit."""

    __slots__ = ("_circuit", "_counts", "_epoch", "_operation")

    def __init__(self, circuit: Circuit, operation: str, *, counts: bool = True) -> None:
        self._circuit = circuit
        self._operation = operation
        self._counts = counts
        self._epoch = 0

    def __enter__(self) -> None:
        self._epoch = self._circuit.enter(self._operation)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._circuit.leave(self._epoch, error, counts=self._counts)
