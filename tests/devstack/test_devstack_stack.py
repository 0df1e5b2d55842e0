"""Test that a stack restarts its parts, keeps its ports, detects a deleted folder, and is private."""

import asyncio
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import cli.stack
from cli.stack import choose_ports, plan
from devstack.ports import Ports
from devstack.processes import prints
from devstack.site import InUseError, Lock, last_ports
from devstack.stack import FolderDeletedError, Plan, Stack
from tests.conftest import tool

_ROOT = Path(__file__).parents[2]
_WORKER = "import time; print('ready', flush=True); time.sleep(600)"


def _plan(folder: Path) -> Plan:
    """A stack with only a worker."""
    command = [sys.executable, "-c", _WORKER]
    return Plan(folder, command, prints("ready"), search_attributes={}, parts=["worker"])


async def test_a_killed_part_is_restarted_while_the_stack_runs(tmp_path: Path) -> None:
    reports: asyncio.Queue[str] = asyncio.Queue()
    async with Stack(_plan(tmp_path)) as stack, asyncio.timeout(60):
        watch = asyncio.ensure_future(stack.keep_running(reports.put_nowait))
        for _ in range(2):
            os.killpg(stack.supervisor.pid("worker"), signal.SIGKILL)
            assert "worker was killed (SIGKILL)" in await reports.get()
            while not stack.supervisor.is_running("worker"):  # noqa: ASYNC110  # it is a process
                await asyncio.sleep(0.02)
        watch.cancel()


async def test_a_deleted_folder_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / ".countersign"
    async with Stack(_plan(folder)) as stack:
        watch = asyncio.ensure_future(stack.keep_running(print))
        shutil.rmtree(folder)
        with pytest.raises(
            FolderDeletedError, match=r"\.countersign was deleted while the stack was running"
        ):
            await watch


async def test_the_files_of_a_stack_are_private(tmp_path: Path) -> None:
    old = tmp_path / "env"
    old.touch(0o644)
    async with Stack(_plan(tmp_path)):
        modes = _modes(tmp_path)
    assert modes.keys() >= {"env", "lock", "ports.json", "worker.log", "worker.pid"}
    assert set(modes.values()) == {0o600}
    assert _mode(tmp_path) == 0o700


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: _mode(path) for path in folder.rglob("*") if path.is_file()}


async def test_the_next_start_takes_the_same_ports_and_says_which_it_cannot_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.stack, "FOLDER", tmp_path)
    monkeypatch.setattr(cli.stack, "USUAL_PORTS", {})
    ports = Ports.pick()
    async with Stack(Plan(tmp_path, [], prints(""), search_attributes={}, ports=ports, parts=[])):
        with pytest.raises(InUseError):
            choose_ports()
    assert last_ports(tmp_path) != {}
    assert choose_ports() == ports
    assert capsys.readouterr().err == ""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.ui))
        taken.listen()
        chosen = choose_ports()
    assert (chosen.ui != ports.ui, chosen.sandbox) == (True, ports.sandbox)
    assert capsys.readouterr().err == f"port {ports.ui} is taken: ui listens on {chosen.ui} instead\n"


async def test_a_usual_port_that_is_free_again_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.stack, "FOLDER", tmp_path)
    usual, others = Ports.pick(), Ports.pick()
    monkeypatch.setattr(cli.stack, "USUAL_PORTS", {"ui": usual.ui})
    async with Stack(Plan(tmp_path, [], prints(""), search_attributes={}, ports=others, parts=[])):
        pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", usual.ui))
        taken.listen()
        assert choose_ports() == others
    assert capsys.readouterr().err == f"port {usual.ui} is taken: ui listens on {others.ui} instead\n"
    assert choose_ports() == dataclasses.replace(others, ui=usual.ui)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
def test_make_clean_refuses_while_a_stack_runs(tmp_path: Path, runs: bool) -> None:  # noqa: FBT001
    folder = tmp_path / ".countersign" / "local"
    command = [tool("make"), "-f", str(_ROOT / "Makefile"), "clean"]
    with Lock(folder) as lock:
        if not runs:
            lock.__exit__(None, None, None)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0, folder.exists()) == (not runs, runs), done.stderr
    assert ("A local stack is running: stop it first, with Ctrl-C." in done.stderr) is runs


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_local_stack_takes_the_routes_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make up EXAMPLE=order_to_cash` names a file of this folder; the receiver runs in another one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERSIGN_WEBHOOKS_ROUTES", "routes.toml")
    assert plan(tmp_path, Ports.pick()).extra_env == {
        "COUNTERSIGN_WEBHOOKS_ROUTES": str(tmp_path / "routes.toml")
    }
