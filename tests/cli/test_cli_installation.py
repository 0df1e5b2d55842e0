"""Before an entry point has begun: a Python without the libraries, and Ctrl-C, end without a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from countersign.entry import INTERRUPTED
from tests.cli.shell import ROOT

_ENTRIES = [["starter.py", "demo"], ["worker.py"], ["-m", "receiver"], ["-m", "countersign.codec_server"]]


@pytest.mark.parametrize(
    ("entry", "lacks", "distribution"),
    [
        (["starter.py", "demo"], "httpx, pydantic, temporalio", ""),
        (["worker.py"], "httpx, pydantic, temporalio, starlette, uvicorn", "[worker]"),
        (["-m", "receiver"], "httpx, pydantic, temporalio, h11, starlette, uvicorn", "[receiver]"),
        (
            ["-m", "countersign.codec_server"],
            "httpx, pydantic, temporalio, h11, starlette, uvicorn",
            "[receiver]",
        ),
    ],
)
def test_a_python_without_the_libraries_lists_what_to_install(
    entry: list[str], lacks: str, distribution: str
) -> None:
    bare = [sys.executable, "-S", *entry]  # without site-packages
    ran = subprocess.run(bare, cwd=ROOT, env={}, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"{sys.executable} lacks {lacks}: install countersign-temporal{distribution}, or use "
        ".venv/bin/python, which `make demo` sets up in a checkout\n"
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
