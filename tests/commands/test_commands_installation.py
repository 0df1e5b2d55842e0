"""A Python without the libraries, as the system's is, ends with one sentence and no traceback."""

import subprocess
import sys

import pytest

from tests.commands.shell import ROOT


@pytest.mark.parametrize("entry", [["starter.py", "demo"], ["worker.py"], ["-m", "countersign.webhooks"]])
def test_a_python_without_the_libraries_is_told_what_to_use(entry: list[str]) -> None:
    bare = [sys.executable, "-S", *entry]  # without site-packages
    ran = subprocess.run(bare, cwd=ROOT, env={}, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"{sys.executable} lacks httpx, pydantic, temporalio: use .venv/bin/python, which `make demo` sets "
        "up, or install requirements.lock\n"
    )
