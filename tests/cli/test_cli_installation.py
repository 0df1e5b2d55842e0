"""Before an entry point has begun: a Python without the libraries, and Ctrl-C, end without a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from countersign.entry import INTERRUPTED
from tests.cli.shell import ROOT

_ENTRIES = [["starter.py", "demo"], ["worker.py"], ["-m", "receiver"]]


@pytest.mark.parametrize("entry", _ENTRIES)
def test_a_python_without_the_libraries_is_reported_what_to_use(entry: list[str]) -> None:
    bare = [sys.executable, "-S", *entry]  # without site-packages
    ran = subprocess.run(bare, cwd=ROOT, env={}, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"{sys.executable} lacks httpx, pydantic, temporalio: use .venv/bin/python, which `make demo` sets "
        "up, or install requirements.lock\n"
    )


@pytest.mark.parametrize("entry", _ENTRIES)
def test_ctrl_c_while_libraries_are_read_is_no_traceback(entry: list[str], tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("import signal\nprint('reading', flush=True)\nsignal.pause()\n")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, *entry]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        assert (process.stderr.read(), process.wait(30)) == ("", INTERRUPTED)
