"""The whole of Countersign on this machine: Temporal, the sandbox, the webhook receiver and a worker.

Every part is a real process. Its state lies in one folder, so that a stack started again on that folder goes
on where the last one stopped.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from countersign.loopback import LOOPBACK
from devstack.ports import Ports
from devstack.processes import Part, PartFailedError, Ready, Supervisor, answers, says
from devstack.site import Lock, Site, surroundings
from devstack.temporal import READY, dev_server_command, find_temporal

_ORDER: Final = (("temporal", "sandbox"), ("receiver", "worker"))
"""The receiver subscribes to the sandbox's webhooks and, as the worker does, connects to Temporal."""
PARTS: Final = tuple(name for together in _ORDER for name in together)


_CHECK_SECONDS: Final = 0.2


class FolderDeletedError(Exception):
    """The folder of a running stack was deleted."""


@dataclass(frozen=True)
class Plan:
    """What a stack is made of.

    Args:
        folder: Where all of its state and logs go.
        worker: The worker's command line.
        worker_ready: When the worker counts as started.
        search_attributes: Search attributes to register: types by name.
        ports: Where the parts listen.
        extra_env: Added to every part's environment, for example faster polling in tests.
        parts: Which parts to start.
    """

    folder: Path
    worker: Sequence[str]
    worker_ready: Ready
    search_attributes: Mapping[str, str]
    ports: Ports = field(default_factory=Ports.pick)
    extra_env: Mapping[str, str] = field(default_factory=dict)
    parts: Sequence[str] = PARTS


class Stack(Site):
    """Runs a plan: `async with Stack(plan) as stack`. Single parts can be killed, frozen and restarted.

    Args:
        plan: What to run.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.folder, plan.ports)
        self._plan = plan
        self._lock = Lock(self.folder)
        self.supervisor = Supervisor(self.folder / "logs")
        self.env = {**surroundings(), **self.settings(), **plan.extra_env}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as held:
            held.enter_context(self._lock)
            await held.enter_async_context(self.supervisor)
            self.note_down()
            for together in _ORDER:
                await self._start_together([name for name in together if name in self._plan.parts])
            self._held = held.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._held.aclose()

    async def keep_running(self, report: Callable[[str], None]) -> None:
        """Restart parts that end by themselves, for ever.

        Args:
            report: Receives one line per restart.

        Raises:
            FolderDeletedError: The stack's folder was deleted.
            PartFailedError: A part does not stay up.
        """
        while True:
            self._require_folder()
            try:
                await self.supervisor.restart_ended(report)
            except (OSError, PartFailedError):
                self._require_folder()
                raise
            await asyncio.sleep(_CHECK_SECONDS)

    def _require_folder(self) -> None:
        if not self._lock.is_in_place():
            raise FolderDeletedError(f"{self.folder} was deleted while the stack was running")

    async def _start_together(self, names: Sequence[str]) -> None:
        for ended in await asyncio.gather(*map(self.start, names), return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def start(self, name: str) -> None:
        """Start one part for the first time and wait until it is ready.

        Raises:
            PartFailedError: It ended, or was not ready in time.
        """
        start = {
            "temporal": self._start_temporal,
            "sandbox": self._start_sandbox,
            "receiver": self._start_receiver,
            "worker": self._start_worker,
        }
        await start[name]()

    async def _start_temporal(self) -> None:
        ports = self._plan.ports
        command = dev_server_command(
            await find_temporal(self.folder / "temporal"),
            port=ports.temporal,
            ui_port=ports.ui,
            metrics_port=ports.metrics,
            database=self.folder / "temporal.db",
            search_attributes=self._plan.search_attributes,
        )
        await self._run("temporal", command, says(READY))

    async def _start_sandbox(self) -> None:
        command = [sys.executable, "-m", "sandbox"]
        command += ["--host", LOOPBACK, "--port", str(self._plan.ports.sandbox)]
        command += ["--data-dir", str(self.folder / "sandbox")]
        await self._run("sandbox", command, says(self.sandbox.url))

    async def _start_receiver(self) -> None:
        command = [sys.executable, "-m", "receiver"]
        command += ["--host", LOOPBACK, "--port", str(self._plan.ports.receiver)]
        secret = await self.sandbox.subscribe(f"{self.receiver_url}/webhooks/turbodocx")
        ready = answers(f"{self.receiver_url}/healthz")
        await self._run("receiver", command, ready, TURBODOCX_WEBHOOK_SECRET=secret)

    async def _start_worker(self) -> None:
        await self._run("worker", self._plan.worker, self._plan.worker_ready)

    async def _run(self, name: str, command: Sequence[str], ready: Ready, **env: str) -> None:
        part = Part(name, command, ready, {**self.env, **env}, self.folder)
        await self.supervisor.start(part)
