"""The command line imports the verb that is run, and nothing for `--help`."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cli.main import VERBS, app

ROOT = Path(__file__).parents[2]
HEAVY = {
    "boto3",
    "cryptography",
    "fpdf",
    "httpx",
    "obstore",
    "opentelemetry",
    "prometheus_client",
    "pypdf",
    "sandbox",
    "starlette",
    "temporalio.worker",
    "uvicorn",
    "workflows",
    "yaml",
}
"""What neither `--help` nor `status` needs; most of it took longer to import than all the rest."""


def imported(*arguments: str) -> set[str]:
    """Run the command line in a process, and list the modules that it imported."""
    script = (
        "import atexit, os, sys; sys.argv = sys.argv[1:]; import runpy; real = os._exit\n"
        "def report(*code):\n"
        "    sys.stderr.write('\\n' + ' '.join(sys.modules)); sys.stderr.flush(); real(0)\n"
        "os._exit = report; atexit.register(report); runpy.run_path('starter.py', run_name='__main__')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, "starter.py", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin", "TEMPORAL_ADDRESS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["status", "A-17"]])
def test_what_a_verb_does_not_need_is_not_imported(arguments: list[str]) -> None:
    modules = imported(*arguments)
    assert "cli.main" in modules
    assert modules & HEAVY == set()


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_imports_neither_temporal_nor_pydantic(argument: str) -> None:
    assert imported(argument) & {"temporalio", "pydantic", "structlog"} == set()


@pytest.mark.parametrize("name", VERBS)
def test_a_summary_is_the_first_sentence_of_the_verbs_help(name: str) -> None:
    command = vars(typer.main.get_command(app))["commands"][name]
    assert str(command.help).startswith(VERBS[name])
