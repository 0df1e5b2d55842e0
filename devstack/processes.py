"""Start processes, wait until they are ready, and stop all of them at the end.

Processes lead their own process groups: their children stop with them, and Ctrl-C reaches the supervisor.
A leash (a shell that waits until the supervisor's end of a pipe closes) kills the group after its supervisor.
"""

import asyncio
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

Ready = Callable[[str], bool]
"""Returns whether a process is ready, from its output since its start."""

_LEASH: Final = 'read -r _; kill -s KILL -- "-$0"'
_GLANCE: Final = 0.05
RESTARTS: Final = 3
"""How often a part is restarted that does not run for `_STEADY` seconds in between."""
_STEADY: Final = 60.0
PRIVATE: Final = 0o077
"""The umask of parts: logs and state are readable by their owner only."""


class PartFailedError(Exception):
    """A part did not start, or ended by itself; the message has the name and the last line of its log."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process to run.

    Args:
        name: The name of the part and of its log file.
        command: Its command line.
        ready: Returns whether it has started.
        env: Its complete environment.
        folder: Its working directory.
        start_seconds: Seconds until a part that is not ready has failed.
        stop_seconds: Seconds from SIGTERM to SIGKILL.
    """

    name: str
    command: Sequence[str]
    ready: Ready
    env: Mapping[str, str] = field(repr=False)
    folder: Path
    start_seconds: float = 30
    stop_seconds: float = 10


def prints(text: str) -> Ready:
    """Return a check for `text` in the output."""
    return lambda output: text in output


def responds(url: str) -> Ready:
    """Return a check that a GET of `url` returns 2xx."""
    return lambda _output: _gets(url)


def _gets(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 (a loopback address)
            return True
    except (OSError, urllib.error.URLError):
        return False


class Supervisor:
    """Starts parts, and stops them in reverse order at the end of `async with`.

    Args:
        logs: The folder for the log files of the parts.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._parts: dict[str, Part] = {}
        self._running: dict[str, _Process] = {}
        self._restarts: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_all()

    def log(self, name: str) -> Path:
        """Return the path of a part's log."""
        return self._logs / f"{name}.log"

    def pid(self, name: str) -> int:
        """Return the process id of a running part."""
        return self._running[name].popen.pid

    def is_running(self, name: str) -> bool:
        """Return whether a part was started and has not ended."""
        return name in self._running and self._running[name].popen.poll() is None

    async def start(self, part: Part) -> None:
        """Start a part and wait until it is ready.

        Raises:
            PartFailedError: It ended, or was not ready in time.
        """
        self._parts[part.name] = part
        process = _Process(part, self.log(part.name))
        self._running[part.name] = process
        try:
            await process.wait_until_ready()
        except BaseException:
            self.kill(part.name)
            raise

    async def stop(self, name: str) -> None:
        """Stop a part with SIGTERM, and with SIGKILL after its `stop_seconds`."""
        await self._running.pop(name).stop()

    async def restart(self, name: str) -> None:
        """Start a part again with its first command; kill it if it still runs."""
        if name in self._running:
            self.kill(name)
        await self.start(self._parts[name])

    def kill(self, name: str) -> None:
        """Kill a part with SIGKILL."""
        self._running.pop(name).kill()

    def pause(self, name: str) -> None:
        """Freeze a part, with SIGSTOP; return when it stands still."""
        running = self._running[name]
        running.send(signal.SIGSTOP)
        with suppress(ChildProcessError):  # it has ended
            os.waitid(os.P_PID, running.popen.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self, name: str) -> None:
        """Resume a frozen part with SIGCONT."""
        self._running[name].send(signal.SIGCONT)

    async def stop_all(self) -> None:
        """Stop all parts, the last one first; an interruption kills the others at once."""
        try:
            for name in reversed(list(self._running)):
                await self.stop(name)
        finally:
            for name in list(self._running):
                self.kill(name)

    async def restart_ended(self, report: Callable[[str], None]) -> None:
        """Restart the parts that ended by themselves, and report why, in one line per restart.

        Raises:
            PartFailedError: A part ended again after `RESTARTS` restarts, with no steady minute in between.
        """
        for name, process in list(self._running.items()):
            if ended := process.end():
                await self._restart_until_ready(name, ended, report, steady=process.seconds() > _STEADY)

    async def _restart_until_ready(
        self, name: str, ended: str, report: Callable[[str], None], *, steady: bool
    ) -> None:
        restarts = 0 if steady else self._restarts.get(name, 0)
        while restarts < RESTARTS:
            restarts += 1
            self._restarts[name] = restarts
            report(f"{ended}; restarting it")
            try:
                await self.restart(name)
            except PartFailedError as error:
                ended = str(error)
            else:
                return
        raise PartFailedError(f"{ended}; it was restarted {RESTARTS} times and does not stay up")


class _Process:
    """A running process with its leash."""

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self._log = log
        self._started = time.monotonic()
        with open(log, "ab", opener=open_private) as output:
            self._log_start = output.tell()
            self.popen = _spawn(part, output.fileno())
        write_private(log.with_suffix(".pid"), f"{self.popen.pid}\n")
        self._leash = subprocess.Popen(  # noqa: S603 (a constant command)
            ["/bin/sh", "-c", _LEASH, str(self.popen.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    async def wait_until_ready(self) -> None:
        """Wait until it is ready; raise PartFailedError if it ends or takes too long."""
        deadline = time.monotonic() + self.part.start_seconds
        while not await asyncio.to_thread(self.part.ready, self._output()):
            self.raise_if_ended()
            if time.monotonic() > deadline:
                raise PartFailedError(
                    f"{self.part.name} was not ready after {self.part.start_seconds:g} s{self._last_words()}"
                )
            await asyncio.sleep(_GLANCE)

    def seconds(self) -> float:
        """Return for how many seconds it has been started."""
        return time.monotonic() - self._started

    def end(self) -> str | None:
        """Return why it ended, or None while it runs."""
        code = self.popen.poll()
        if code is None:
            return None
        if code < 0:  # the log's last line was written before the signal
            return f"{self.part.name} was killed ({signal.Signals(-code).name}); see {self._log}"
        return f"{self.part.name} stopped (exit code {code}){self._last_words()}"

    def raise_if_ended(self) -> None:
        if ended := self.end():
            raise PartFailedError(ended)

    async def stop(self) -> None:
        try:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.popen.wait, self.part.stop_seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the group; first kill the leash, which could later hit another group with the same id."""
        self._leash.kill()
        self._leash.communicate()
        self.send(signal.SIGKILL)
        self.popen.wait()

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def _output(self) -> str:
        try:
            with self._log.open("rb") as output:
                output.seek(self._log_start)
                return output.read().decode(errors="replace")
        except FileNotFoundError:  # the user deleted it
            return ""

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._output().splitlines() if line.strip()]
        reason = _explanation(lines[-1]) if lines else "it printed nothing"
        return f": {reason} ({self._log})" if reason else f"; see {self._log}"


def _explanation(line: str) -> str | None:
    """Return the event of an error record, a line that is no record, or None for other records."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "event" not in record:
        return line
    return str(record["event"]) if record.get("level") in {"error", "critical"} else None


def _spawn(part: Part, output: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 (the part's command)
            part.command,
            env=dict(part.env),
            cwd=part.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=PRIVATE,
        )
    except OSError as error:
        raise PartFailedError(f"{part.name} cannot be started: {error.strerror}: {part.command[0]}") from None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    with open(path, "w", opener=open_private) as file:
        file.write(text)


def open_private(path: str, flags: int) -> int:
    """Open a file for its owner only, for `open(..., opener=open_private)`."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor
