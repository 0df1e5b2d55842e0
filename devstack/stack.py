"""Run Temporal, the sandbox, the webhook receiver, the HTTP API and a worker on this machine.

The parts are processes. All state is in one folder: a new stack in that folder continues where the last one
stopped.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from countersign.api.tokens import StoreTokens
from countersign.loopback import LOOPBACK
from countersign.storage import open_store
from devstack.ports import Ports
from devstack.processes import Part, PartFailedError, Ready, Supervisor, prints, responds
from devstack.site import ACCOUNTS, ENVIRONMENT, Lock, Site, clean_environment
from devstack.temporal import READY, dev_server_command, find_temporal
from devstack.token import keep_token

_ORDER: Final = (("temporal", "sandbox", "documenso"), ("receiver", "api", "worker"))
"""The second group needs the first: the receiver subscribes at the sandboxes; all connect to Temporal."""
_SANDBOXES: Final = {"sandbox": "turbodocx", "documenso": "documenso"}
"""The sandboxes: the names of their parts, and the accounts that they serve."""
PARTS: Final = tuple(name for together in _ORDER for name in together)


_CHECK_SECONDS: Final = 0.2


class FolderDeletedError(Exception):
    """The folder of a running stack was deleted."""


@dataclass(frozen=True)
class Plan:
    """The configuration of a stack.

    Args:
        folder: The folder of its state and logs.
        worker: The command line of the worker.
        worker_ready: Returns whether the worker has started.
        search_attributes: Search attributes to register: types by name.
        ports: The ports of the parts.
        extra_env: Further environment of all parts, for example faster polling in tests.
        parts: The parts to start.
        accounts: The accounts to serve: `turbodocx` with the part `sandbox`, `documenso` with its own.
    """

    folder: Path
    worker: Sequence[str]
    worker_ready: Ready
    search_attributes: Mapping[str, str]
    ports: Ports = field(default_factory=Ports.pick)
    extra_env: Mapping[str, str] = field(default_factory=dict)
    parts: Sequence[str] = PARTS
    accounts: Sequence[str] = ACCOUNTS[:1]


class Stack(Site):
    """Runs a plan: `async with Stack(plan) as stack`.

    Args:
        plan: The configuration.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.folder, plan.ports, plan.accounts)
        self._plan = plan
        self._lock = Lock(self.folder)
        self.supervisor = Supervisor(self.folder / "logs")
        self.env = {**clean_environment(), **self.settings(), **plan.extra_env}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as held:
            held.enter_context(self._lock)
            await held.enter_async_context(self.supervisor)
            self.write_settings()
            for together in _ORDER:
                await self._start_together([name for name in together if self._has(name)])
            self._held = held.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._held.aclose()

    async def keep_running(self, report: Callable[[str], None]) -> None:
        """Restart parts that end by themselves, until it is canceled.

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

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that this stack runs."""
        return tuple(name for name in PARTS if self._has(name))

    def _has(self, part: str) -> bool:
        kind = _SANDBOXES.get(part)
        return part in self._plan.parts and (kind is None or kind in self.accounts)

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
            "sandbox": lambda: self._start_sandbox("sandbox"),
            "documenso": lambda: self._start_sandbox("documenso"),
            "receiver": self._start_receiver,
            "api": self._start_api,
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
        await self._run("temporal", command, prints(READY))

    async def _start_sandbox(self, part: str) -> None:
        sandbox = self.sandboxes[_SANDBOXES[part]]
        command = [sys.executable, "-m", "sandbox", sandbox.kind]
        command += ["--host", LOOPBACK, "--port", sandbox.url.rpartition(":")[2]]
        command += ["--data-dir", str(self.folder / part)]
        await self._run(part, command, prints(sandbox.url))

    async def _start_receiver(self) -> None:
        command = [sys.executable, "-m", "receiver"]
        command += ["--host", LOOPBACK, "--port", str(self._plan.ports.receiver)]
        secrets = {
            f"{kind.upper()}_WEBHOOK_SECRET": await sandbox.subscribe(f"{self.receiver_url}/webhooks/{kind}")
            for kind, sandbox in self.sandboxes.items()
        }
        await self._run("receiver", command, responds(f"{self.receiver_url}/healthz"), **secrets)

    async def _start_api(self) -> None:
        await keep_token(self.api_token, StoreTokens(open_store(str(self.store)), ENVIRONMENT))
        command = [sys.executable, "-m", "api", "--host", LOOPBACK, "--port", str(self._plan.ports.api)]
        await self._run("api", command, responds(f"{self.api_url}/healthz"))

    async def _start_worker(self) -> None:
        await self._run("worker", self._plan.worker, self._plan.worker_ready)

    async def _run(self, name: str, command: Sequence[str], ready: Ready, **env: str) -> None:
        part = Part(name, command, ready, {**self.env, **env}, self.folder)
        await self.supervisor.start(part)
