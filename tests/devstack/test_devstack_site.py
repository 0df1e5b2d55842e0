"""Test the settings that a local stack writes for shells."""

import os
import subprocess
from pathlib import Path

from devstack.ports import Ports
from devstack.site import Site


def test_a_shell_gets_the_settings_of_the_stack_only(tmp_path: Path) -> None:
    folder = tmp_path / 'Ada\'s $HOME `id` "quoted" folder'
    folder.mkdir()
    site = Site(folder, Ports.pick())
    site.write_settings()
    around = {**os.environ, "COUNTERSIGN_TASK_QUEUE": "elsewhere", "TEMPORAL_ADDRESS": "elsewhere:7233"}
    script = '. "$1" && env -0'
    shell = ["sh", "-eu", "-c", script, "sh", str(folder / "env")]
    completed = subprocess.run(shell, env=around, capture_output=True, text=True, check=True)
    assert completed.stderr == ""
    seen = dict(line.split("=", 1) for line in completed.stdout.split("\0") if line)
    settings = {name: value for name, value in site.settings().items() if name != "PYTHONPATH"}
    assert {name: seen.get(name) for name in settings} == settings
    assert seen.get("PYTHONPATH") == os.environ.get("PYTHONPATH"), "a project elsewhere needs its own"
    assert seen["COUNTERSIGN_TASK_QUEUE"] == "countersign"
    assert seen["PATH"].endswith(f":{os.environ['PATH']}")
