"""Finding out whether a provider is well again, and saying so: one harmless GET per cooldown."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from countersign.observability.metrics import CIRCUIT_CHANGES, CIRCUIT_STATE
from countersign.providers.circuit import Circuit, Snapshot, State

_log = logging.getLogger("countersign.providers")


@asynccontextmanager
async def probing(
    circuit: Circuit, provider: str, probe: Callable[[], Awaitable[object]]
) -> AsyncIterator[None]:
    """Probe a provider whenever its circuit wants it, and report the circuit's changes, while this is open.

    A queued activity never serves as the probe: a probing send could end in one more unknown outcome.

    Args:
        circuit: Decides when to probe.
        provider: Its name, for metrics and logs.
        probe: A harmless read that passes the circuit by.
    """
    _report_state(provider, circuit.snapshot())
    changed, loop = asyncio.Event(), asyncio.get_running_loop()
    seen = circuit.snapshot().state

    def listen(now: Snapshot) -> None:
        nonlocal seen
        if now.state is not seen:
            seen = now.state
            CIRCUIT_CHANGES.labels(provider, now.state).inc()
            _log.warning("circuit %s", now.state, extra={"provider": provider, "because": now.reason})
        _report_state(provider, now)
        with suppress(RuntimeError):  # the loop has been closed: nothing is left to probe for
            loop.call_soon_threadsafe(changed.set)

    circuit.subscribe(listen)
    task = asyncio.create_task(_keep_probing(circuit, probe, changed), name=f"probe-{provider}")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_probing(
    circuit: Circuit, probe: Callable[[], Awaitable[object]], changed: asyncio.Event
) -> None:
    while True:
        changed.clear()
        wait = circuit.snapshot().probe_in
        if wait is None or wait > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await changed.wait()
            continue
        circuit.begin_probe()
        error: Exception | None = None
        try:
            await probe()
        except Exception as problem:  # noqa: BLE001  # without a probe the circuit would stay open for ever
            error = problem
        circuit.end_probe(error)


def _report_state(provider: str, now: Snapshot) -> None:
    for state in State:
        CIRCUIT_STATE.labels(provider, state).set(state is now.state)
