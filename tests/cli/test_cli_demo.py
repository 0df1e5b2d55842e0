"""`demo` and `up`: what a newcomer runs first."""

import hashlib
import os
import re
import shutil
import signal
import socket
from pathlib import Path

import pytest

from devstack.processes import responds
from tests.cli.shell import Shell
from tests.polling import poll

_STEPS = [
    r"agreement \w+ started",
    r"document ready to be sent",
    r"sent for signature: document [0-9a-f-]{36}",
    r"viewed by Ada Example",
    r"signed by Ada Example \(1 of 2\)",
    r"viewed by Ben Example",
    r"signed by Ben Example \(2 of 2\)",
    r"archived",
]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder, where nothing is set up and somebody else's settings lie about."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "nowhere.invalid:7233")
    monkeypatch.setenv("TEMPORAL_API_KEY", "somebody-else's")
    monkeypatch.setenv("TURBODOCX_BASE_URL", "https://nowhere.invalid")
    monkeypatch.setenv("COUNTERSIGN_TASK_QUEUE", "somebody-else's")
    (tmp_path / ".env").write_text("TURBODOCX_API_KEY=TDX-live\nCOUNTERSIGN_STORE=/nowhere\n")
    return Shell(tmp_path)


def _processes_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().replace("\0", " ")
            lies_here = (process / "cwd").resolve().is_relative_to(folder)
        except OSError:
            continue
        if lies_here or str(folder) in words:
            found.append(words)
    return found


def test_the_demo_shows_an_agreement_from_end_to_end_and_leaves_nothing(fresh: Shell) -> None:
    ran = fresh.run("demo", "--free-ports")
    assert ran.code == 0, ran.out + ran.err
    places = [re.search(rf"^ +\d+\.\d s  {step}$", ran.out, re.MULTILINE) for step in _STEPS]
    assert None not in places, ran.out
    order = [place.start() for place in places if place]
    assert order == sorted(order)
    assert re.search(r"outcome +completed, resolved by webhook", ran.out)
    _check_signed_pdf(ran.out)
    assert re.search(r"Temporal UI +http://127\.0\.0\.1:\d+/namespaces/default/workflows/agreement-", ran.out)
    assert ran.out.endswith("(`make up` brings it up again on the same data, to look around)\n")
    assert _processes_in(fresh.folder) == []


@pytest.mark.heavy
def test_the_demo_runs_with_another_provider(fresh: Shell) -> None:
    ran = fresh.run("demo", "--free-ports", "--account", "documenso")
    assert ran.code == 0, ran.out + ran.err
    assert re.search(r"sent for signature: document envelope_", ran.out)
    assert re.search(r"outcome +completed, resolved by webhook", ran.out)
    _check_signed_pdf(ran.out)
    assert _processes_in(fresh.folder) == []


def test_a_stack_without_a_sandbox_for_the_provider_is_one_sentence(fresh: Shell) -> None:
    ran = fresh.run("demo", "--account", "docusign")
    assert (ran.code, ran.err) == (2, "--account: use turbodocx or documenso, or both with a comma\n")


def _check_signed_pdf(out: str) -> None:
    place = re.search(r"signed PDF +file://(\S+)", out)
    digest = re.search(r"SHA-256 +([0-9a-f]{64})", out)
    assert place is not None
    assert digest is not None
    content = Path(place[1]).read_bytes()
    assert content.startswith(b"%PDF-")
    assert hashlib.sha256(content).hexdigest() == digest[1]


@pytest.mark.heavy
def test_up_serves_every_address_and_ctrl_c_stops_everything(fresh: Shell) -> None:
    process = fresh.process("up", "--free-ports")
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(10)]
        ui, sandbox, receiver, *_ = re.findall(r"http://127\.0\.0\.1:\d+", "".join(lines))
        for url in (ui, f"{sandbox}/_sandbox/inbox", f"{receiver}/healthz"):
            assert responds(url)("")
        demo = fresh.run("demo")
        assert demo.code == 0, demo.out + demo.err
        assert f"{ui}/namespaces/default" in demo.out
        assert demo.out.endswith("(as long as `make up` runs in the other terminal)\n")
        second = fresh.run("up")
        assert second.code == 7
        assert "another local stack runs in" in second.err
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()
    assert _processes_in(fresh.folder) == []


@pytest.mark.heavy
def test_up_restarts_a_killed_worker_and_survives_a_deleted_folder(fresh: Shell) -> None:
    process = fresh.process("up", "--free-ports")
    try:
        assert process.stdout is not None
        banner = [process.stdout.readline() for _ in range(10)]
        folder = fresh.folder / ".countersign/local"
        old = int((folder / "logs/worker.pid").read_text())
        os.kill(old, signal.SIGKILL)
        demo = fresh.run("demo")
        assert demo.code == 0, demo.out + demo.err
        assert int((folder / "logs/worker.pid").read_text()) != old
        shutil.rmtree(folder, ignore_errors=True)
        assert [process.stdout.readline() for _ in range(10)] == banner
        demo = fresh.run("demo")
        assert demo.code == 0, demo.out + demo.err
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        _, err = process.communicate()
    assert re.fullmatch(
        r"worker was killed \(SIGKILL\); see \S+; restarting it\n"
        r"\S+ was deleted while the stack was running; starting an empty one on the same ports\n",
        err or "",
    )
    assert _processes_in(fresh.folder) == []


def test_a_wanted_port_that_is_taken_is_named(fresh: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = fresh.run("up", "--free-ports", "--ui-port", str(port))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"port {port}, wanted for ui, is taken: stop what uses it, or name another\n"


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_stopped_half_way_leaves_nothing(fresh: Shell, number: signal.Signals) -> None:
    process = fresh.process("demo", "--free-ports")
    assert process.stdout is not None
    while "started" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    assert process.wait(30) == (-number if number is signal.SIGKILL else 130)
    process.communicate()
    poll(lambda: not _processes_in(fresh.folder))


def test_a_part_that_cannot_start_is_one_sentence_and_nothing_stays(
    fresh: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = fresh.folder / "bin" / "temporal"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'no space left on device' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent), prepend=":")
    ran = fresh.run("demo", "--free-ports")
    assert ran.code == 7
    assert ran.err.startswith("temporal stopped (exit code 3): no space left on device (")
    assert ran.err.count("\n") == 1
    assert _processes_in(fresh.folder) == []
