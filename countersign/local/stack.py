"""The whole of Countersign on this machine: Temporal, the sandbox, the webhook door and a worker.

Every part is a real process. Its state lies in one folder, so that a stack started again on that folder goes
on where the last one stopped. Settings of the surroundings (`TEMPORAL_...`, `TURBODOCX_...`,
`COUNTERSIGN_...`, `.env`) do not reach it: whoever has production's keys at hand must not send a test there.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import countersign
from countersign.local import sandbox as sandbox_api
from countersign.local.ports import LOOPBACK, PortTakenError, free_port, is_free
from countersign.local.processes import Part, Ready, Supervisor, answers, says
from countersign.local.sandbox import Sandbox
from countersign.local.temporal import READY, dev_server_command, find_temporal

_ORDER: Final = (("temporal", "sandbox"), ("door", "worker"))
"""The door subscribes to the sandbox's webhooks and, as the worker does, connects to Temporal."""
PARTS: Final = tuple(name for together in _ORDER for name in together)

_OURS: Final = ("TEMPORAL_", "TURBODOCX_", "COUNTERSIGN_", "SANDBOX_")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen on the loopback address."""

    temporal: int
    ui: int
    metrics: int
    sandbox: int
    door: int

    @classmethod
    def pick(cls, **wanted: int) -> Self:
        """Take the wanted ports, and free ones for the rest.

        Raises:
            PortTakenError: Something else listens on a wanted port.
        """
        ports: dict[str, int] = {}
        for name in cls.__slots__:
            port = wanted.get(name) or free_port([*wanted.values(), *ports.values()])
            if not is_free(port):
                raise PortTakenError(
                    f"port {port}, wanted for {name}, is taken: stop what uses it, or name another"
                )
            ports[name] = port
        return cls(**ports)

    @classmethod
    def prefer(cls, **preferred: int) -> Self:
        """Take the preferred ports as far as they are free, and free ones for the rest."""
        return cls.pick(**{name: port for name, port in preferred.items() if is_free(port)})


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


class Stack:
    """Runs a plan: `async with Stack(plan) as stack`. Single parts can be killed, frozen and restarted.

    Args:
        plan: What to run.
    """

    def __init__(self, plan: Plan) -> None:
        folder = plan.folder.absolute()
        self._plan = plan
        self._folder = folder
        self.supervisor = Supervisor(folder / "logs")
        self.sandbox = Sandbox(f"http://{LOOPBACK}:{plan.ports.sandbox}")
        self.temporal_address = f"{LOOPBACK}:{plan.ports.temporal}"
        self.ui_url = f"http://{LOOPBACK}:{plan.ports.ui}"
        self.door_url = f"http://{LOOPBACK}:{plan.ports.door}"
        self.store = folder / "store"
        self.env = {**_surroundings(), **self._settings(), **plan.extra_env}

    async def __aenter__(self) -> Self:
        await self.supervisor.__aenter__()
        try:
            for together in _ORDER:
                await self._start_together([name for name in together if name in self._plan.parts])
        except BaseException:
            await self.supervisor.stop_all()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.supervisor.stop_all()

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
            "door": self._start_door,
            "worker": self._start_worker,
        }
        await start[name]()

    async def _start_temporal(self) -> None:
        ports = self._plan.ports
        command = dev_server_command(
            await find_temporal(self._folder / "temporal"),
            port=ports.temporal,
            ui_port=ports.ui,
            metrics_port=ports.metrics,
            database=self._folder / "temporal.db",
            search_attributes=self._plan.search_attributes,
        )
        await self._run("temporal", command, says(READY))

    async def _start_sandbox(self) -> None:
        command = [sys.executable, "-m", "countersign.sandbox"]
        command += ["--host", LOOPBACK, "--port", str(self._plan.ports.sandbox)]
        command += ["--data-dir", str(self._folder / "sandbox")]
        await self._run(
            "sandbox",
            command,
            says(self.sandbox.url),
            SANDBOX_API_KEY=sandbox_api.API_KEY,
            SANDBOX_MEMBER_KEY=sandbox_api.MEMBER_KEY,
            SANDBOX_ORG_ID=sandbox_api.ORG_ID,
        )

    async def _start_door(self) -> None:
        command = [sys.executable, "-m", "countersign.webhooks"]
        command += ["--host", LOOPBACK, "--port", str(self._plan.ports.door)]
        secret = await self.sandbox.subscribe(f"{self.door_url}/webhooks/turbodocx")
        ready = answers(f"{self.door_url}/healthz")
        await self._run("door", command, ready, TURBODOCX_WEBHOOK_SECRET=secret)

    async def _start_worker(self) -> None:
        await self._run("worker", self._plan.worker, self._plan.worker_ready)

    async def _run(self, name: str, command: Sequence[str], ready: Ready, **env: str) -> None:
        part = Part(name, command, ready, {**self.env, **env}, self._folder)
        await self.supervisor.start(part)

    def _settings(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(Path(countersign.__file__).parents[1]),
            "PYTHONUNBUFFERED": "1",
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": "default",
            "TEMPORAL_CONFIG_FILE": str(self._folder / "no-profile.toml"),
            "TURBODOCX_API_KEY": sandbox_api.API_KEY,
            "TURBODOCX_ORG_ID": sandbox_api.ORG_ID,
            "TURBODOCX_BASE_URL": self.sandbox.url,
            "TURBODOCX_SENDER_EMAIL": "contracts@example.com",
            "TURBODOCX_SENDER_NAME": "Example Contracts",
            "COUNTERSIGN_ENVIRONMENT": "local",
            "COUNTERSIGN_STORE": str(self.store),
        }


def _surroundings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
