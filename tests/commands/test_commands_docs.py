"""What docs/using.md shows is what happens, line by line; what docs/other-languages.md promises, holds."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from commands import discretion, errors
from commands.cli import app
from commands.following import follow_agreement
from commands.schemas import PUBLISHED, schema_of
from countersign.local.stack import Stack
from tests.commands.shell import ROOT, Shell, matches
from tests.conftest import tool
from workflows.messages import AgreementInput, Stage

USING = (ROOT / "docs" / "using.md").read_text()
LANGUAGES = (ROOT / "docs" / "other-languages.md").read_text()
EXAMPLES = ROOT / "docs" / "examples"
PART = re.compile(
    r"^(?:<!-- (?P<direction>[^\n]*) -->|```(?P<kind>\w*)\n(?P<text>.*?)^```)$", re.MULTILINE | re.DOTALL
)


async def _until_waiting(reference: str) -> str:
    async for status in follow_agreement(reference):
        if status.stage == Stage.AWAITING_SIGNATURES:
            return str(status.document_id)
    raise AssertionError("it ended")


def _sessions(console: str) -> list[tuple[list[str], list[str]]]:
    """Read a console block: each command's words, and the lines that it shows."""
    sessions: list[tuple[list[str], list[str]]] = []
    for line in console.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            sessions.append((shlex.split(line[2:]), []))
        else:
            sessions[-1][1].append(line)
    return sessions


def _check_session(shell: Shell, words: list[str], shown: list[str]) -> None:
    assert words[0] == "starter"
    ran = shell(*words[1:])
    lines = [line for line in (ran.out + ran.err).splitlines() if line.strip()]
    told = iter(lines)
    if words[1] == "watch":  # which steps are news depends on when it is started
        missing = [each for each in shown if not any(matches(each, line) for line in told)]
        assert missing == [], lines
    else:
        assert len(lines) == len(shown), lines
        pairs = zip(shown, lines, strict=True)
        assert [pair for pair in pairs if not matches(*pair)] == []


def test_every_session_in_using_is_as_shown(
    shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discretion, "is_for_eyes", lambda: True)  # the page shows a terminal
    direction = ""
    for part in PART.finditer(USING):
        if part["direction"]:
            direction = part["direction"]
            continue
        verb, _, about = direction.partition(" ")
        if verb in {"sign", "wait"}:
            document_id = asyncio.run(_until_waiting(about))
            if verb == "sign":
                asyncio.run(stack.sandbox.complete(document_id))
        if verb == "file:":
            (shell.folder / about).write_text(part["text"])
        if part["kind"] == "console":
            for words, shown in _sessions(part["text"]):
                _check_session(shell, words, shown)
                if words[1] == "start" and "--dry-run" not in words and shown[0].endswith("started"):
                    asyncio.run(_until_waiting(shown[0].split(":")[0]))
        direction = ""


def test_the_python_example_prints_what_using_says(shell: Shell) -> None:
    code, printed = re.findall(r"<!-- run -->\n```python\n(.*?)```.*?```\n(.*?)```", USING, re.DOTALL)[0]
    (shell.folder / "example.py").write_text(code)
    ran = subprocess.run(
        [sys.executable, "example.py"],
        cwd=shell.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.stdout == printed, ran.stderr


def test_the_exit_codes_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", USING, re.MULTILINE)
    assert rows == re.findall(r"^\| (\d+) \| (.+) \|$", str(errors.__doc__), re.MULTILINE)
    assert {int(code) for code, _ in rows} == {*errors.ExitCode, 130}


def test_every_verb_has_its_place_in_the_docs() -> None:
    docs = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    verbs = [str(each.name) for each in app.registered_commands]
    verbs += [str(each.name) for each in app.registered_groups]
    assert [verb for verb in verbs if not re.search(rf"(starter(\.py)?|make) {verb}\b", docs)] == []


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.__name__)
def test_the_published_schema_is_that_of_the_code(model: Any) -> None:
    published = (ROOT / "docs" / "schemas" / f"{model.__name__}.json").read_text()
    assert published == schema_of(model), "run `make schemas`"
    Draft202012Validator.check_schema(json.loads(published))


def test_the_example_fits_the_published_schema() -> None:
    published = json.loads((ROOT / "docs/schemas/AgreementInput.json").read_text())
    schema = Draft202012Validator(published)
    example = json.loads((EXAMPLES / "agreement.json").read_text())
    assert list(schema.iter_errors(example)) == []
    assert list(schema.iter_errors(example | {"signers": []})) != []
    assert AgreementInput.model_validate(example).continued is None
    assert "continued" not in published["properties"]


def test_the_temporal_command_starts_asks_and_voids(shell: Shell) -> None:
    script = re.findall(r"```sh\n(temporal .*?)```", LANGUAGES, re.DOTALL)[0]
    bins = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    del shell
    ran = subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": bins},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "generating" in ran.stdout or "sending" in ran.stdout or "awaiting_signatures" in ran.stdout
    assert '"outcome":"voided"' in ran.stdout.replace(" ", "")


@pytest.mark.heavy
def test_the_node_example_starts_asks_and_voids(shell: Shell) -> None:
    tool("npm")
    script = re.findall(r"```sh\n(cd docs/examples.*?)```", LANGUAGES, re.DOTALL)[0]
    copy = shell.folder / "docs" / "examples"
    shutil.copytree(EXAMPLES, copy)
    example = json.loads((copy / "agreement.json").read_text())
    (copy / "agreement.json").write_text(json.dumps(example | {"reference": "order-2002"}))
    quiet = script.replace(
        "npm install", "npm install --no-audit --no-fund --no-package-lock --ignore-scripts"
    )
    ran = subprocess.run(
        ["/bin/sh", "-eu", "-c", quiet],
        cwd=shell.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "started agreement-order-2002" in ran.stdout
    assert ran.stdout.endswith("ended voided\n")
