"""Test that a supervisor starts, awaits and stops processes, also if it is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from devstack.processes import RESTARTS, Part, PartFailedError, Supervisor, prints
from devstack.sandbox import Sandbox, SandboxError
from tests.polling import poll

pytestmark = pytest.mark.thorough

_ROOT = Path(__file__).parents[2]
_SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + _SLEEPER
_PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_SLEEPER!r}]).wait()"


def _part(name: str, code: str, folder: Path, stop_seconds: float = 5) -> Part:
    command = [sys.executable, "-c", code]
    return Part(
        name, command, prints("ready"), dict(os.environ), folder, start_seconds=20, stop_seconds=stop_seconds
    )


def _states(group: int) -> set[str]:
    """Return the states of a process group's living members: `S` sleeping, `T` stopped, ..."""
    states = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                states.add(state)
    return states


def _group_is_alive(group: int) -> bool:
    return bool(_states(group))


async def _eventually(is_so: Callable[[], bool]) -> None:
    """Wait until a signal is delivered."""
    for _ in range(1_000):
        if is_so():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it never came to be so")


def _pid(supervisor: Supervisor, name: str) -> int:
    return supervisor._running[name].popen.pid


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor(tmp_path / "logs") as running:
        yield running


@pytest.mark.parametrize("code", [_SLEEPER, _DEAF, _PARENT], ids=["obedient", "deaf", "with a child"])
async def test_nothing_is_left_after_stopping(supervisor: Supervisor, tmp_path: Path, code: str) -> None:
    await supervisor.start(_part("sleeper", code, tmp_path, stop_seconds=0.2))
    pid = _pid(supervisor, "sleeper")
    assert _group_is_alive(pid)
    await supervisor.stop_all()
    await _eventually(lambda: not _group_is_alive(pid))


async def test_parts_stop_in_reverse_order(supervisor: Supervisor, tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    for name in ("first", "second", "third"):
        leave = f"open({str(ends)!r}, 'a').write('{name} '), exit()"
        code = f"import signal; signal.signal(signal.SIGTERM, lambda *_: ({leave}));" + _SLEEPER
        await supervisor.start(_part(name, code, tmp_path))
    await supervisor.stop_all()
    assert ends.read_text().split() == ["third", "second", "first"]


async def test_a_part_that_fails_to_start_is_quoted(supervisor: Supervisor, tmp_path: Path) -> None:
    code = "import sys; print('reading settings'); sys.exit('TURBODOCX_API_KEY is not set')"
    with pytest.raises(PartFailedError) as caught:
        await supervisor.start(_part("worker", code, tmp_path))
    assert "worker stopped (exit code 1): TURBODOCX_API_KEY is not set" in str(caught.value)
    assert not supervisor.is_running("worker")


async def test_a_part_that_is_never_ready_is_named_and_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    part = Part("receiver", ["sleep", "600"], prints("ready"), dict(os.environ), tmp_path, start_seconds=0.2)
    with pytest.raises(PartFailedError, match=r"receiver was not ready after 0\.2 s: it printed nothing"):
        await supervisor.start(part)
    assert not supervisor.is_running("receiver")


async def test_a_missing_command_is_named(supervisor: Supervisor, tmp_path: Path) -> None:
    part = Part("temporal", ["/no/such/command"], prints("ready"), {}, tmp_path)
    with pytest.raises(PartFailedError, match="temporal cannot be started: No such file or directory"):
        await supervisor.start(part)


async def test_a_part_that_is_killed_is_restarted_and_reported(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    reports: list[str] = []
    await supervisor.start(_part("sleeper", _SLEEPER, tmp_path))
    await supervisor.restart_ended(reports.append)
    assert reports == []
    first = int(supervisor.log("sleeper").with_suffix(".pid").read_text())
    assert first == _pid(supervisor, "sleeper")
    os.killpg(first, signal.SIGKILL)
    await _restart_until(supervisor, reports, 1)
    assert reports == [f"sleeper was killed (SIGKILL); see {supervisor.log('sleeper')}; restarting it"]
    assert supervisor.is_running("sleeper")
    assert _pid(supervisor, "sleeper") == int(supervisor.log("sleeper").with_suffix(".pid").read_text())
    assert _pid(supervisor, "sleeper") != first


async def test_a_part_that_keeps_ending_is_not_restarted_for_ever(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devstack.processes._STEADY", float("inf"))
    reports: list[str] = []
    end = tmp_path / "end"
    wait = f"while not os.path.exists({str(end)!r}): time.sleep(0.01)"
    code = f"import os, time; print('ready', flush=True)\n{wait}\nexit(3)"
    await supervisor.start(_part("worker", code, tmp_path))
    end.touch()
    with pytest.raises(PartFailedError, match="it was restarted 3 times and does not stay up"):
        await _restart_until(supervisor, reports, RESTARTS + 1)
    assert len(reports) == RESTARTS


async def test_a_part_that_cannot_start_again_is_named(supervisor: Supervisor, tmp_path: Path) -> None:
    once = tmp_path / "once"
    code = f"import os; os.mkdir({str(once)!r}); {_SLEEPER}"
    await supervisor.start(_part("worker", code, tmp_path))
    os.killpg(_pid(supervisor, "worker"), signal.SIGKILL)
    reports: list[str] = []
    with pytest.raises(PartFailedError, match=r"FileExistsError.*it was restarted 3 times"):
        await _restart_until(supervisor, reports, 1)
    assert len(reports) == RESTARTS


async def _restart_until(supervisor: Supervisor, reports: list[str], restarts: int) -> None:
    """Restart ended parts until a number of restarts is reported: a signal takes time to arrive."""
    while len(reports) < restarts:
        await supervisor.restart_ended(reports.append)
        await asyncio.sleep(0.02)


async def test_logs_and_process_ids_are_private(supervisor: Supervisor, tmp_path: Path) -> None:
    made = tmp_path / "made"
    await supervisor.start(_part("sleeper", f"open({str(made)!r}, 'w'); {_SLEEPER}", tmp_path))
    log = supervisor.log("sleeper")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (made, log, log.with_suffix(".pid"))}
    assert modes == {"made": 0o600, "sleeper.log": 0o600, "sleeper.pid": 0o600}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"event": "disk full", "level": "error"}', ": disk full ({log})"),
        ('{"event": "agreement completed", "level": "info"}', "; see {log}"),
        ('{"code": 7}', ': {{"code": 7}} ({log})'),
    ],
    ids=["an error", "an ordinary record", "no record"],
)
async def test_the_last_line_is_quoted_only_if_it_has_the_reason(
    supervisor: Supervisor, tmp_path: Path, line: str, reason: str
) -> None:
    with pytest.raises(PartFailedError) as caught:
        await supervisor.start(_part("worker", f"print({line!r}); exit(3)", tmp_path))
    assert str(caught.value) == f"worker stopped (exit code 3){reason.format(log=supervisor.log('worker'))}"


async def test_one_part_can_be_killed_frozen_and_restarted(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(_part("sleeper", _SLEEPER, tmp_path))
    first = _pid(supervisor, "sleeper")
    supervisor.kill("sleeper")
    await _eventually(lambda: not _group_is_alive(first))
    await supervisor.restart("sleeper")
    supervisor.pause("sleeper")
    second = _pid(supervisor, "sleeper")
    assert second != first
    await _eventually(lambda: _states(second) == {"T"})
    supervisor.resume("sleeper")
    supervisor.pause("sleeper")
    await supervisor.stop_all()
    await _eventually(lambda: not _group_is_alive(second))


_SUPERVISE = f"""
import asyncio, os, signal, sys
from pathlib import Path
from countersign.entry import leave, run
from devstack.sandbox import Sandbox, SandboxError
from devstack.processes import Part, Supervisor, prints

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it

async def main():
    async with Supervisor(Path(sys.argv[1])) as supervisor:
        command = [sys.executable, "-c", {_SLEEPER!r}]
        await supervisor.start(Part("sleeper", command, prints("ready"), dict(os.environ), Path(sys.argv[1])))
        print(supervisor._running["sleeper"].popen.pid, flush=True)
        if len(sys.argv) > 2:
            raise RuntimeError("as it happens")
        await asyncio.Event().wait()

leave(run(main()))
"""


def _supervise(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _SUPERVISE, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=_ROOT, stdout=pipe, stderr=subprocess.DEVNULL, text=True)


def _wait_until_gone(pid: int) -> None:
    poll(lambda: not _group_is_alive(pid))


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGHUP, 130), (signal.SIGKILL, -signal.SIGKILL)],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"],
)
def test_nothing_outlives_a_supervisor_ended_by_a_signal(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with _supervise(str(tmp_path)) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        supervisor.send_signal(number)
        assert supervisor.wait(60) == code
    _wait_until_gone(pid)


def test_nothing_outlives_a_supervisor_that_raises(tmp_path: Path) -> None:
    with _supervise(str(tmp_path), "raise") as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert supervisor.wait(60) == 1
    _wait_until_gone(pid)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"HTTP/1.1 200 OK\r\n\r\n{", b""]
)
async def test_a_sandbox_killed_during_a_response_is_one_error(answer: bytes) -> None:
    async def die(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(die, "127.0.0.1")
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SandboxError):
            await Sandbox(f"http://127.0.0.1:{port}").ledger()
