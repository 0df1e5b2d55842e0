"""The step that docs/how-to/add-a-step.md adds works, for new agreements and for running ones."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from temporalio.client import Client

from devstack.sandbox import Sandbox

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "add-a-step.md").read_text()
COPIED = (
    "activities",
    "cli",
    "countersign",
    "devstack",
    "docs",
    "sandbox",
    "tests",
    "workflows",
    "worker.py",
    "starter.py",
)


def _apply(change: str, copy: Path) -> None:
    """Make a change: its parts are parted by `@@`, and each part's old lines stand in the file once."""
    name, _, parts = change.removeprefix("+++ ").partition("\n")
    path = copy / name
    text = path.read_text() if path.exists() else ""
    for part in parts.split("@@\n"):
        lines = part.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] in marks) for marks in (" -", " +"))
        assert not path.exists() or text.count(old) == 1, f"{name}: {old}"
        text = text.replace(old, new) if path.exists() else new
    path.write_text(text)


def _changed_copy(folder: Path) -> Path:
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for change in re.findall(r"^   ```diff\n(.*?)^   ```$", PAGE, re.MULTILINE | re.DOTALL):
        _apply(textwrap.dedent(change), folder)
    return folder


def test_the_step_is_done_for_what_was_archived_and_running_agreements_still_replay(
    client: Client, sandbox: Sandbox, tmp_path: Path
) -> None:
    copy = _changed_copy(tmp_path)
    script = [sys.executable, "-m", "tests.workflows.announcing"]
    ran = subprocess.run(
        [*script, client.service_client.config.target_host, sandbox.url, str(tmp_path / "store")],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, "completed: announced\nvoided: not announced\n"), ran.stderr
