"""The ground of a chaos run: the local stack with two workers, in a hurry; its parts die and return."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from cli.stack import ROOT, plan
from devstack.ports import Ports
from devstack.processes import Part, PartFailedError, Supervisor, prints
from devstack.stack import PARTS, Stack
from tests.chaos.chaos_schedule import Blow

TIME_SCALE: Final = 30

HURRY: Final = {
    "COUNTERSIGN_PACE": str(TIME_SCALE),
    "COUNTERSIGN_GRACEFUL_STOP_SECONDS": "5",
    "SANDBOX_RETRY_DELAYS": "1,3",
}
"""Every wait is shortened in proportion: what takes a step 150 s takes it 5 s, and its call 4 s, not 120.

A send of unknown outcome is settled after 20 s instead of ten minutes, so nothing that the schedule does may
take the provider longer than that to commit: it freezes parts for 6 s at most.
"""

WORKER: Final = (sys.executable, str(ROOT / "worker.py"))
NAIVE_WORKER: Final = (sys.executable, str(Path(__file__).with_name("naive_worker.py")))
_WATCH: Final = 0.2


class Parts:
    """The processes, each killed and frozen as ordered, and always started again.

    Args:
        supervisor: Runs them.
        names: Theirs.
    """

    def __init__(self, supervisor: Supervisor, names: tuple[str, ...]) -> None:
        self._supervisor = supervisor
        self._up = {name: asyncio.Event() for name in names}
        self._work: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()
        self.died: list[str] = []
        for up in self._up.values():
            up.set()

    async def strike(self, blow: Blow) -> None:
        """Kill or freeze a part, as soon as it runs."""
        while not self._up[blow.part].is_set():
            await self._up[blow.part].wait()
        self.done[blow.do] += 1
        if blow.do == "freeze":
            self._supervisor.pause(blow.part)
            self._later(self._thaw(blow))
        else:
            self._up[blow.part].clear()
            self._supervisor.kill(blow.part)
            self._later(self._revive(blow.part, blow.seconds))

    async def watch(self) -> None:
        """Start again what ends by itself, as whoever runs it would; for ever."""
        while True:
            await asyncio.sleep(_WATCH)
            for name, up in self._up.items():
                if up.is_set() and not self._supervisor.is_running(name):
                    up.clear()
                    self.died.append(name)
                    self._later(self._revive(name, 0))

    async def all_up(self) -> None:
        """Wait until every part runs again."""
        while self._work:
            await asyncio.gather(*self._work)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _thaw(self, blow: Blow) -> None:
        await asyncio.sleep(blow.seconds)
        if self._supervisor.is_running(blow.part):
            self._supervisor.resume(blow.part)

    async def _revive(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        while True:
            try:
                await self._supervisor.restart(name)
            except (
                PartFailedError
            ):  # it needs another part that is down; a real supervisor goes on trying, too
                await asyncio.sleep(_WATCH)
            else:
                self._up[name].set()
                return


@asynccontextmanager
async def ground(folder: Path, worker: tuple[str, ...] = WORKER) -> AsyncIterator[tuple[Stack, Parts]]:
    """Run the stack with two workers of a kind."""
    whole = replace(plan(folder, Ports.pick()), worker=worker, extra_env=HURRY)
    async with Stack(whole) as stack:
        second = Part("worker-2", worker, prints("worker ready"), stack.env, stack.folder)
        await stack.supervisor.start(second)
        parts = Parts(stack.supervisor, (*PARTS, second.name))
        watch = asyncio.create_task(parts.watch())
        try:
            yield stack, parts
        finally:
            watch.cancel()
