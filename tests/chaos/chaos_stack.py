"""The stack of a chaos run: the local stack with two workers and short waits, whose parts are killed."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from cli.stack import ROOT, plan
from devstack.ports import Ports
from devstack.processes import Part, PartFailedError, Supervisor, prints
from devstack.stack import Stack
from tests.chaos.chaos_accounts import TURBODOCX
from tests.chaos.chaos_schedule import Disruption, parts_of

TIME_SCALE: Final = 30

HURRY: Final = {
    "COUNTERSIGN_PACE": str(TIME_SCALE),
    "COUNTERSIGN_GRACEFUL_STOP_SECONDS": "5",
    "SANDBOX_RETRY_DELAYS": "1,3",
}
"""Settings that shorten all waits: an activity's time-out is 5 s, not 150 s, and a call's 4 s, not 120 s.

The settle window of a send is 20 s instead of ten minutes, and the provider must commit within it, so the
schedule freezes parts for at most 6 s.
"""

WORKER: Final = (sys.executable, str(ROOT / "worker.py"))
NAIVE_WORKER: Final = (sys.executable, str(Path(__file__).with_name("naive_worker.py")))
_WATCH: Final = 0.2


class Parts:
    """Kills and freezes processes, and restarts them.

    Args:
        supervisor: Runs the processes.
        names: The names of the processes.
    """

    def __init__(self, supervisor: Supervisor, names: tuple[str, ...]) -> None:
        self._supervisor = supervisor
        self._up = {name: asyncio.Event() for name in names}
        self._work: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()
        self.died: list[str] = []
        for up in self._up.values():
            up.set()

    async def disrupt(self, disruption: Disruption) -> None:
        """Kill or freeze a part when it runs."""
        while not self._up[disruption.part].is_set():
            await self._up[disruption.part].wait()
        self.done[disruption.do] += 1
        if disruption.do == "freeze":
            self._supervisor.pause(disruption.part)
            self._later(self._thaw(disruption))
        else:
            self._up[disruption.part].clear()
            self._supervisor.kill(disruption.part)
            self._later(self._revive(disruption.part, disruption.seconds))

    async def watch(self) -> None:
        """Restart parts that end by themselves, until it is canceled."""
        while True:
            await asyncio.sleep(_WATCH)
            for name, up in self._up.items():
                if up.is_set() and not self._supervisor.is_running(name):
                    up.clear()
                    self.died.append(name)
                    self._later(self._revive(name, 0))

    async def all_up(self) -> None:
        """Wait until all parts run again."""
        while self._work:
            await asyncio.gather(*self._work)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _thaw(self, disruption: Disruption) -> None:
        await asyncio.sleep(disruption.seconds)
        if self._supervisor.is_running(disruption.part):
            self._supervisor.resume(disruption.part)

    async def _revive(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        while True:
            try:
                await self._supervisor.restart(name)
            except PartFailedError:  # it needs another part that is down; a real supervisor retries, too
                await asyncio.sleep(_WATCH)
            else:
                self._up[name].set()
                return


@asynccontextmanager
async def open_stack(
    folder: Path,
    worker: tuple[str, ...] = WORKER,
    accounts: Sequence[str] = (TURBODOCX.name,),
    others: Sequence[str] = (),
) -> AsyncIterator[tuple[Stack, Parts]]:
    """Run the stack with two equal workers, which serve all accounts.

    Args:
        folder: The folder of its state.
        worker: The command line of the workers.
        accounts: The accounts.
        others: Parts that are killed beside those of `parts_of`.
    """
    chaos_plan = replace(plan(folder, Ports.pick(), accounts), worker=worker, extra_env=HURRY)
    named = {
        "COUNTERSIGN_ACCOUNTS": ",".join(accounts)
    }  # for the checks of `start_agreement` in this process
    async with Stack(chaos_plan) as stack:
        second = Part("worker-2", worker, prints("worker ready"), stack.env, stack.folder)
        await stack.supervisor.start(second)
        parts = Parts(stack.supervisor, (*parts_of(accounts), *others))
        watch = asyncio.create_task(parts.watch())
        try:
            with patch.dict(os.environ, named):
                yield stack, parts
        finally:
            watch.cancel()
