"""Text from outside is shown by the terminal, never obeyed."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from cli.terminal import SafeConsole, inert, json_text, one_line
from cli.views import status_view
from countersign.agreements.messages import SignerStatus, Stage, WaitingFor
from countersign.client.errors import ExitCode
from countersign.client.view import AgreementView
from tests.cli.shell import ROOT

HOSTILE = "Ada\x1b]0;owned\x07\x9b31m\u202e\r\n\u2028Lovelace\x00"
ACTIVE = set("\x1b\x07\x9b\u202e\r\u2028\x00")


def shown(*printed: object) -> str:
    file = io.StringIO()
    console = SafeConsole(file=file, width=200)
    for value in printed:
        console.print(value)
    return file.getvalue()


def test_no_escape_reaches_the_terminal_however_it_is_printed() -> None:
    table = Table("name")
    table.add_row(Text(HOSTILE))
    text = shown(HOSTILE, Text(HOSTILE), table)
    assert set(text) & ACTIVE == set()
    assert text.count("Lovelace") == 3


def test_a_status_keeps_its_lines() -> None:
    status = AgreementView(
        reference="A-17",
        stage=Stage.AWAITING_SIGNATURES,
        waiting_for=WaitingFor.SIGNATURES,
        last_error=HOSTILE,
        needs_attention=f"x\nstage       completed{HOSTILE}",
        document_id=HOSTILE,
        signers=(SignerStatus(name=HOSTILE, order=1),),
    )
    text = shown(status_view(status))
    assert set(text) & ACTIVE == set()
    assert [line for line in text.splitlines() if line.startswith("stage")] == [
        "stage            awaiting_signatures"
    ]


def test_json_is_the_same_for_programs_and_harmless_for_terminals() -> None:
    text = json_text([{"name": HOSTILE, "tag": "\U000e0041"}])
    assert set(text) & (ACTIVE | {"\U000e0041"}) == set()
    assert json.loads(text) == [{"name": HOSTILE, "tag": "\U000e0041"}]


@pytest.mark.parametrize("text", ["Zoë Müller", "陳大文", "نرم\u200cافزار"])  # noqa: RUF001  # names
def test_names_of_all_languages_stay(text: str) -> None:
    assert inert(text) == one_line(text) == text


@pytest.mark.thorough
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_full_disk_is_one_sentence(option: str) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "starter.py", option],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == ExitCode.UNREACHABLE
    assert ran.stderr == "cannot write the output or a file: No space left on device\n"
