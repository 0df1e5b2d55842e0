"""Tie the circuit to Temporal: how many of a worker's slots may be reserved now.

While the circuit is open no slot is reserved, so activities stay scheduled in Temporal: they burn no
attempts and cost nothing. Polls that were parked before may still deliver a task each; the circuit refuses
their calls as not sent.
"""

import asyncio
import contextlib
import threading
import time
from typing import Final

from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)

from countersign.providers.circuit import Circuit, Snapshot

_UNUSED = 5
"""Slots for kinds of task that a provider's worker does not serve; Temporal wants a number."""


DRAIN_SECONDS: Final = 3.0
"""How long a stopping worker waits for what its polls may still bring."""
_GLANCE: Final = 0.02


def tuner(slots: "CircuitSlots") -> WorkerTuner:
    """Build the tuner of a provider's worker: its activities' slots follow the circuit."""
    unused = FixedSizeSlotSupplier(_UNUSED)
    return WorkerTuner.create_composite(
        workflow_supplier=unused,
        activity_supplier=slots,
        local_activity_supplier=unused,
        nexus_supplier=unused,
    )


class CircuitSlots(CustomSlotSupplier):
    """As many slots as the circuit allows. All but `reserve_slot` is called on foreign threads.

    Args:
        circuit: Decides how many.
    """

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._lock = threading.Lock()
        self._taken = 0
        self._used = 0
        self._drained_at: float | None = None
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        circuit.subscribe(self._wake)

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Wait for a slot."""
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        with self._lock:
            self._waiting.add(waiter)
        try:
            while (permit := self.try_reserve_slot(ctx)) is None:
                await event.wait()
                event.clear()
            return permit
        finally:
            with self._lock:
                self._waiting.discard(waiter)

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:  # noqa: ARG002  # the SDK's signature
        """Reserve a slot if one is free."""
        allowed = self._circuit.snapshot().allowed
        with self._lock:
            if self._drained_at is not None or self._taken >= allowed:
                return None
            self._taken += 1
            return SlotPermit()

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:  # noqa: ARG002  # the SDK's signature
        """Note that a poll has brought a task; its slot counted before."""
        with self._lock:
            self._used += 1

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """Give a slot back."""
        with self._lock:
            self._taken -= 1
            self._used -= ctx.slot_info is not None
        self._wake()

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Reserve no more slots, and wait for the tasks of open polls. Call it before the worker stops.

        Temporal loses a task that it hands to a poll in the very moment in which the worker stops: nobody
        runs it, and only its time-out brings it back; a send is then of unknown outcome. Parked polls of a
        busy queue are served at once; those of an idle one stay parked, but then there is nothing to lose.

        Args:
            seconds: The longest wait, from the first call.
        """
        if self._drained_at is None:
            self._drained_at = time.monotonic() + seconds
        while self._parked() and time.monotonic() < self._drained_at:  # noqa: ASYNC110  # set on foreign threads
            await asyncio.sleep(_GLANCE)

    def _parked(self) -> int:
        with self._lock:
            return self._taken - self._used

    def _wake(self, _: Snapshot | None = None) -> None:
        with self._lock:
            waiting = tuple(self._waiting)
        for loop, event in waiting:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(event.set)
