"""Measure what grows with the number of waiting agreements.

    python -m benchmarks.growth [--step 500] [--steps 4] [--seconds S] [--picture FILE]

One stack: Temporal, sandbox, receiver and a worker. In every step, agreements are started until
`number * step` wait for their signatures, then, with all of them open:

    memory      of the worker and of the server above that before the first agreement
    idle        CPU of both during 10 s, and the billable actions in them: checks that came due
    webhook     from a signature to the workflow's end, median of 10 agreements, one after the other
    list        `list_agreements` of all open agreements

After the last step, agreements are terminated step by step, and with every number of open ones:

    restart     the worker is stopped, an agreement is signed, and the worker started: the time until it is
                ready, and until the agreement is archived

A worker keeps 1,000 agreements in memory and replays others when they are signed. The exponent of a curve
is the slope of a line through its logarithms: 0 is constant, 1 linear. More than 1.25 is called superlinear,
and the script fails.
"""

import argparse
import asyncio
import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.agreements import billable_actions
from benchmarks.curves import Chart, draw
from benchmarks.fleet import Fleet, fleet, reference_of
from benchmarks.measurement import cpu_seconds, decimals, progress, resident_megabytes, show, show_table
from countersign.client.listing import list_agreements
from worker import CACHED_WORKFLOWS

SUPERLINEAR: Final = 1.25
AT_ONCE: Final = 100
"""Agreements that are started together; a larger number would only fill the server's queues."""
_SIGNED: Final = 10
_IDLE_SECONDS: Final = 10.0
_PATIENCE: Final = 300.0
CURVES: Final = {
    "worker_mb": "worker memory, MB",
    "server_mb": "server memory, MB",
    "worker_idle": "worker idle CPU, ms per s",
    "server_idle": "server idle CPU, ms per s",
    "webhook_ms": "signature to archived, ms",
    "list_ms": "list all, ms",
    "ready_s": "restarted worker ready, s",
    "restart_s": "restart to archived, s",
}
_IDLE: Final = {CURVES["worker_idle"], CURVES["server_idle"]}
_IDLE_NOISE: Final = 20.0
"""Milliseconds per second, 2 % of a core: what a few checks or a read of the watcher make of 10 s."""


@dataclass(frozen=True)
class Level:
    """The measurements with a number of waiting agreements; fields as in `CURVES`."""

    waiting: int
    worker_mb: float
    server_mb: float
    worker_idle: float
    server_idle: float
    idle_actions: float
    webhook_ms: float
    list_ms: float
    ready_s: float | None = None
    restart_s: float | None = None


class Growth:
    """Lets agreements wait, and measures with all of them open.

    Args:
        running: The stack.
    """

    def __init__(self, running: Fleet) -> None:
        self._fleet, self._stack = running, running.stack
        self._open: dict[str, str] = {}
        """Waiting agreements: document ids by reference."""
        self._base = self._memory()
        self._random = random.Random(7)

    async def level(self, waiting: int) -> Level:
        """Measure with a number of waiting agreements."""
        await self._let_wait(waiting)
        worker_mb, server_mb = (now - then for now, then in zip(self._memory(), self._base, strict=True))
        worker_idle, server_idle, actions = await self._idle()
        list_ms = await self._list(waiting)
        progress(f"listed in {list_ms:.0f} ms")
        webhook_ms = 1000 * statistics.median([await self._sign() for _ in range(_SIGNED)])
        progress(f"archived after {webhook_ms:.0f} ms")
        return Level(waiting, worker_mb, server_mb, worker_idle, server_idle, actions, webhook_ms, list_ms)

    async def restart(self, waiting: int) -> tuple[float, float]:
        """Restart the worker with a number of open agreements.

        Returns:
            The seconds until it is ready, and until an agreement that was signed before is archived.
        """
        superfluous = sorted(self._open)[: max(0, len(self._open) - waiting)]
        await asyncio.gather(*map(self._terminate, superfluous))
        await self._stack.supervisor.stop("worker")
        archived = asyncio.create_task(self._sign())
        try:
            await asyncio.sleep(1)  # the receiver signals
            began = time.perf_counter()
            await self._stack.start("worker")
            ready = time.perf_counter() - began
            await archived
        finally:
            archived.cancel()
        took = time.perf_counter() - began
        progress(f"{waiting} open: ready after {ready:.1f} s, archived after {took:.1f} s")
        return ready, took

    async def _terminate(self, reference: str) -> None:
        del self._open[reference]
        await self._fleet.client.get_workflow_handle(f"agreement-{reference}").terminate()

    async def _let_wait(self, count: int) -> None:
        while (missing := count - len(self._open)) > 0:
            references = self._fleet.new_references(min(missing, AT_ONCE))
            await asyncio.gather(*map(self._fleet.start_one, references))
            async with asyncio.timeout(_PATIENCE):
                while not self._open.keys() >= set(references):
                    await asyncio.sleep(0.3)
                    self._open |= await self._sent(set(references))
            progress(f"{len(self._open)} agreements wait")

    async def _sent(self, references: set[str]) -> dict[str, str]:
        documents = {
            reference_of(document): str(document["id"]) for document in await self._fleet.documents()
        }
        return {reference: documents[reference] for reference in references & documents.keys()}

    def _memory(self) -> tuple[float, float]:
        pid = self._stack.supervisor.pid
        return resident_megabytes(pid("worker")), resident_megabytes(pid("temporal"))

    def _spent(self) -> tuple[float, float, float]:
        pid = self._stack.supervisor.pid
        actions = billable_actions(self._stack.ports.metrics)
        return 1000 * cpu_seconds(pid("worker")), 1000 * cpu_seconds(pid("temporal")), actions

    async def _idle(self) -> tuple[float, float, float]:
        await asyncio.sleep(2)  # what the last start left to do
        before, began = self._spent(), time.perf_counter()
        await asyncio.sleep(_IDLE_SECONDS)
        took = time.perf_counter() - began
        worker, server, actions = (now - then for now, then in zip(self._spent(), before, strict=True))
        return worker / took, server / took, actions

    async def _list(self, waiting: int) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            found = await list_agreements(client=self._fleet.client, limit=2 * waiting)
            times.append(1000 * (time.perf_counter() - began))
        assert len(found) >= waiting, f"{len(found)} of {waiting} listed"
        return statistics.median(times)

    async def _sign(self) -> float:
        """Sign an agreement; returns the seconds until it is archived."""
        reference = self._random.choice(sorted(self._open))
        began = time.perf_counter()
        await self._stack.sandbox.complete(self._open.pop(reference))
        async with asyncio.timeout(_PATIENCE):
            await self._fleet.client.get_workflow_handle(f"agreement-{reference}").result()
        return time.perf_counter() - began


def exponent(places: Sequence[int], values: Sequence[float], least: float = 1) -> float:
    """Return the slope of the line through the logarithms.

    Args:
        places: Numbers of waiting agreements.
        values: What was measured with them.
        least: What smaller values count as: less is noise.
    """
    xs, ys = [math.log(place) for place in places], [math.log(max(value, least)) for value in values]
    return statistics.linear_regression(xs, ys).slope


async def run(options: argparse.Namespace, levels: list[Level]) -> None:
    """Measure all levels, or those for which there is time, and append them."""
    began = time.monotonic()
    async with fleet(0, {}) as running:
        growth = Growth(running)
        for number in range(1, options.steps + 1):
            levels.append(await growth.level(options.step * number))
            if len(levels) > 1 and time.monotonic() - began > options.seconds:
                progress(f"no time for more than {levels[-1].waiting} agreements")
                break
        for number, level in reversed(list(enumerate(levels))):
            ready_s, restart_s = await growth.restart(level.waiting)
            levels[number] = replace(level, ready_s=ready_s, restart_s=restart_s)


def report(levels: Sequence[Level], picture: Path) -> bool:
    """Print the table, write the picture; returns whether nothing grows superlinearly."""
    numbers = [level.waiting for level in levels]
    curves = {
        title: [float(asdict(level)[name]) for level in levels]
        for name, title in CURVES.items()
        if all(asdict(level)[name] is not None for level in levels)  # else it was interrupted before
    }
    exponents = {
        title: exponent(numbers, values, _IDLE_NOISE if title in _IDLE else 1)
        for title, values in curves.items()
    }
    rows = [[title, *map(decimals, values), f"{exponents[title]:.2f}"] for title, values in curves.items()]
    rows.append(["billable actions while idle", *(f"{level.idle_actions:.0f}" for level in levels), ""])
    show_table(["waiting agreements", *(f"{number:,}" for number in numbers), "exponent"], rows)
    cached = [level for level in levels if level.waiting <= CACHED_WORKFLOWS]
    of_cached = cached if len(cached) > 1 else levels
    show(
        f"Each further waiting agreement takes {_kilobytes(levels, 'server_mb'):.0f} KB of the server, and "
        f"{_kilobytes(of_cached, 'worker_mb'):.0f} KB of a worker that caches it."
    )
    steep = [title for title, slope in exponents.items() if slope > SUPERLINEAR]
    show(f"Superlinear: {', '.join(steep) or 'none'}.")
    picture.write_text(draw(numbers, "waiting", [Chart(*curve) for curve in curves.items()]))
    return not steep


def _kilobytes(levels: Sequence[Level], name: str) -> float:
    values = [1000 * float(asdict(level)[name]) for level in levels]
    return statistics.linear_regression([level.waiting for level in levels], values).slope


def main() -> int:
    """Run the benchmark; returns 1 if something grows superlinearly."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--step", type=int, default=500, help="agreements per step (default 500)")
    parser.add_argument("--steps", type=int, default=4, help="measurements (default 4)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="take no further step after these")
    parser.add_argument(
        "--picture",
        type=Path,
        default=Path("docs/images/growth.svg"),
        help="where the curves are drawn (default docs/images/growth.svg)",
    )
    options = parser.parse_args()
    if options.steps < 2:  # noqa: PLR2004  # a line needs two points
        parser.error("--steps must be at least 2: a curve needs two points")
    levels: list[Level] = []
    interrupted = False
    try:
        asyncio.run(run(options, levels))
    except (KeyboardInterrupt, TimeoutError) as error:
        interrupted = True
        progress(f"ended early: {type(error).__name__}")
    if len(levels) < 2:  # noqa: PLR2004  # as above
        show("There was no time for two steps.")
        return 1
    return 0 if report(levels, options.picture) and not interrupted else 1


if __name__ == "__main__":
    raise SystemExit(main())
