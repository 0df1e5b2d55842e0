"""The circuit as Temporal knows it: how many of a worker's slots may be taken now.

While the circuit is open no slot is reserved, so activities stay scheduled in Temporal: they burn no
attempts and cost nothing. Polls that were parked before may still deliver a task each; the circuit refuses
their calls as not sent.
"""

import asyncio
import contextlib
import threading

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


def tuner(circuit: Circuit) -> WorkerTuner:
    """Build the tuner of a provider's worker: its activities' slots follow the circuit."""
    unused = FixedSizeSlotSupplier(_UNUSED)
    return WorkerTuner.create_composite(
        workflow_supplier=unused,
        activity_supplier=CircuitSlots(circuit),
        local_activity_supplier=unused,
        nexus_supplier=unused,
    )


class CircuitSlots(CustomSlotSupplier):
    """As many slots as the circuit allows. All but `reserve_slot` is called on foreign threads.

    Args:
        circuit: Says how many.
    """

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._lock = threading.Lock()
        self._taken = 0
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
        """Take a slot if there is one now."""
        allowed = self._circuit.snapshot().allowed
        with self._lock:
            if self._taken >= allowed:
                return None
            self._taken += 1
            return SlotPermit()

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Nothing to do: a slot counts from when it is reserved."""

    def release_slot(self, ctx: SlotReleaseContext) -> None:  # noqa: ARG002  # the SDK's signature
        """Give a slot back."""
        with self._lock:
            self._taken -= 1
        self._wake()

    def _wake(self, _: Snapshot | None = None) -> None:
        with self._lock:
            waiting = tuple(self._waiting)
        for loop, event in waiting:
            with contextlib.suppress(RuntimeError):  # its loop has been closed: nobody waits any more
                loop.call_soon_threadsafe(event.set)
