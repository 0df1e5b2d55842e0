"""Sessions in the docs print what the pages show; the pages name the published contract."""

import asyncio
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from cli import signer_names as discretion
from cli.command import out
from cli.demo import example_agreement
from cli.main import app
from cli.schemas import PUBLISHED, schema_of
from countersign.agreements.messages import AgreementInput, Stage
from countersign.agreements.reference import workflow_id
from countersign.client.agreements import agreement_status
from countersign.client.errors import ExitCode, UnknownAgreementError
from countersign.client.follow import follow_agreement
from countersign.client.listing import list_agreements
from countersign.client.start import start_agreement
from countersign.connection import connect
from devstack.stack import Stack
from tests.cli.shell import ROOT, Shell, matches
from tests.conftest import tool
from tests.polling import poll

README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
SESSIONS = "".join(
    (DOCS / page).read_text()
    for page in (
        "tutorial/first-agreement.md",
        "tutorial/your-own-template.md",
        "how-to/manage-agreements.md",
        "how-to/sign-in-your-own-page.md",
        "reference/schemas.md",
    )
)
"""What people type, page by page: a page may go on with the agreements of the ones before it."""
SERVICE = (DOCS / "how-to" / "start-from-a-service.md").read_text()
BULK = (DOCS / "how-to" / "bulk.md").read_text()
LANGUAGES = (DOCS / "how-to" / "other-languages.md").read_text()
ERRORS = (DOCS / "reference" / "errors.md").read_text()
_WAITING = 'AgreementStage = "awaiting_signatures"'
EXAMPLES = DOCS / "examples"
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
    assert words[0] == "countersign"
    ran = shell(*words[1:])
    lines = [line for line in (ran.out + ran.err).splitlines() if line.strip()]
    reported = iter(lines)
    if words[1] == "watch":  # which steps are news depends on when it is started
        missing = [entry for entry in shown if not any(matches(entry, line) for line in reported)]
        assert missing == [], lines
    else:
        assert len(lines) == len(shown), "\n".join(lines)
        pairs = zip(shown, lines, strict=True)
        assert [pair for pair in pairs if not matches(*pair)] == []


async def _start(reference: str) -> str:
    draft = example_agreement().model_copy(update={"reference": reference})
    await start_agreement(draft.model_copy(update={"signers": draft.signers[:1]}))
    document_id = await _until_waiting(reference)
    async with asyncio.timeout(20):
        while not await list_agreements(where=f'{_WAITING} AND WorkflowId = "agreement-{reference}"'):  # noqa: ASYNC110  # its index tells nobody
            await asyncio.sleep(0.05)
    return document_id


async def _find_a_twin(reference: str) -> None:
    """Signal what the receiver would if a second document carried the agreement's marker."""
    await _start(reference)
    handle = (await connect()).get_workflow_handle(workflow_id(reference))
    event = {"event_id": f"twin-{reference}", "kind": "sent", "document_id": f"twin-of-{reference}"}
    await handle.signal("signature_event", event)
    async for status in follow_agreement(reference):
        if status.needs_attention:
            return


async def _prepare(stack: Stack, verb: str, reference: str) -> None:
    """Do what a comment on the page says has happened meanwhile."""
    match verb:
        case "wait":
            await _until_waiting(reference)
        case "sign":
            await stack.sandbox.complete(await _until_waiting(reference))
        case "start":
            await _start(reference)
        case "twin":
            await _find_a_twin(reference)


@pytest.mark.thorough
def test_every_session_prints_what_its_page_shows(
    shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(discretion, "sys", terminal)  # the page shows a terminal
    monkeypatch.setattr(out, "width", 200)
    direction = ""
    for part in PART.finditer(SESSIONS):
        if part["direction"]:
            direction = part["direction"]
            continue
        verb, _, about = direction.partition(" ")
        asyncio.run(_prepare(stack, verb, about))
        if verb == "file:":
            (shell.folder / about).write_text(part["text"])
        if verb == "shell":
            _run_shell(part["text"], _clone(stack, shell.folder))
        if part["kind"] == "console":
            for words, shown in _sessions(part["text"]):
                _check_session(shell, words, shown)
                if words[1] == "start" and "--dry-run" not in words and shown[0].endswith("started"):
                    asyncio.run(_until_waiting(shown[0].split(":")[0]))
        direction = ""


@pytest.mark.thorough
def test_the_python_example_prints_what_its_page_shows_twice(shell: Shell) -> None:
    example = r"<!-- run -->\n```python\n(.*?)```.*?```\n(.*?)```.*?```\n(.*?)```"
    code, *printed = re.findall(example, SERVICE, re.DOTALL)[0]
    for shown in printed:
        ran = _run_script(code, shell.folder)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, shown, "")


@pytest.mark.thorough
def test_the_bulk_example_starts_a_row_once(shell: Shell) -> None:
    (code,) = re.findall(r"<!-- bulk -->\n```python\n(.*?)```", BULK, re.DOTALL)
    (shell.folder / "customers.csv").write_text(
        "customer,company,name,email\n1,Example Ltd,Ada,ada@example.com\n2,Example Inc,Ben,no address\n"
    )
    for state in ("started", "already started"):
        ran = _run_script(code, shell.folder)
        assert (ran.returncode, ran.stderr) == (1, "")
        started, refused = ran.stdout.splitlines()
        assert started == f"nda-2027-1: {state}"
        assert refused.startswith("2: ")


@pytest.mark.thorough
def test_the_readmes_commands_run_as_they_stand(
    shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    start, watch = (shlex.split(line) for line in re.findall(r"^    countersign (.*)$", README, re.MULTILINE))
    ran = shell(*start)
    assert (ran.code, ran.out, ran.err) == (0, "order-1001: started\n", "")
    asyncio.run(stack.sandbox.complete(asyncio.run(_until_waiting("order-1001"))))
    ran = shell(*watch)
    assert ran.code == 0, ran.out + ran.err


@pytest.mark.thorough
def test_start_shows_the_next_command_and_the_ui_on_a_terminal(
    shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(out), "is_terminal", True)
    ran = shell("start", str(EXAMPLES / "contract.yaml"), "--reference", "shown-1")
    ui = re.escape(f"{stack.ui_url}/namespaces/default/workflows/agreement-shown-1/")
    assert re.fullmatch(
        rf"shown-1: started\nnext         countersign watch shown-1\nTemporal UI  {ui}[0-9a-f-]{{36}}\n",
        ran.out,
    ), ran.out + ran.err


@pytest.mark.thorough
def test_the_readmes_python_example_runs_as_it_stands(shell: Shell, stack: Stack) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (reference,) = re.findall(r'"reference": "(.*?)"', code)
    with ThreadPoolExecutor(1) as threads:
        ran = threads.submit(_run_script, code, shell.folder)
        document_id = poll(lambda: asyncio.run(_document(reference)))
        asyncio.run(stack.sandbox.complete(document_id))
        assert (ran.result().returncode, ran.result().stdout, ran.result().stderr) == (0, "completed\n", "")


async def _document(reference: str) -> str | None:
    try:
        return (await agreement_status(reference)).document_id
    except UnknownAgreementError:
        return None


def _run_script(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "example.py").write_text(code)
    return subprocess.run(
        [sys.executable, "example.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.thorough
def test_the_exit_codes_are_those_of_the_code() -> None:
    codes = re.findall(r"^\| (\d+) \| .+ \|$", ERRORS, re.MULTILINE)
    assert {int(code) for code in codes} == {*ExitCode, 130}


def _commands(command: Any, name: str = "countersign") -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
    for verb, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{name} {verb}")


COMMANDS = dict(_commands(typer.main.get_command(app)))


@pytest.mark.thorough
@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_argument_and_option_says_what_it_does(name: str) -> None:
    assert COMMANDS[name].help
    assert [parameter.name for parameter in COMMANDS[name].params if not parameter.help] == []


@pytest.mark.thorough
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_fills_its_lines_and_breaks_no_example(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = CliRunner().invoke(app, [*name.split()[1:], "--help"]).stdout
    prose = [line[1:].rstrip() for line in shown.partition("╭")[0].splitlines()]
    assert max(map(len, shown.splitlines())) <= width
    for line, following in itertools.pairwise(prose):
        if not line or not following or " " in {line[0], following[0]}:
            continue
        assert len(line) + 1 + len(following.split()[0]) > width - 2, (line, following)
    examples = [line for line in str(COMMANDS[name].help).splitlines() if line.startswith(" ")]
    assert [example for example in examples if example not in prose] == []


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.__name__)
def test_the_published_schema_is_that_of_the_code(model: Any) -> None:
    published = (ROOT / "docs" / "schemas" / f"{model.__name__}.json").read_text()
    assert published == schema_of(model), "run `make schemas`"
    Draft202012Validator.check_schema(json.loads(published))


def test_schemas_that_cannot_be_written_are_reported(shell: Shell) -> None:
    (shell.folder / "file").touch()
    ran = shell("schemas", "file/schemas")
    assert (ran.code, ran.err) == (2, "file/schemas: Not a directory\n")


def test_the_example_fits_the_published_schema() -> None:
    published = json.loads((ROOT / "docs/schemas/AgreementInput.json").read_text())
    schema = Draft202012Validator(published)
    example = json.loads((EXAMPLES / "agreement.json").read_text())
    assert list(schema.iter_errors(example)) == []
    assert list(schema.iter_errors(example | {"signers": []})) != []
    AgreementInput.model_validate(example)
    assert "continued" not in published["properties"]


def _clone(stack: Stack, folder: Path) -> Path:
    """Lay out what the page's commands are typed in: the examples, and the settings of a running stack."""
    if not (folder / ".countersign").exists():
        shutil.copytree(EXAMPLES, folder / "docs" / "examples", ignore=shutil.ignore_patterns("*modules"))
        (folder / ".countersign").mkdir()
        (folder / ".countersign" / "local").symlink_to(stack.folder)
    return folder


def _run_shell(script: str, folder: Path, timeout: float = 60) -> str:
    ran = subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.thorough
def test_the_temporal_command_starts_asks_and_voids(stack: Stack, tmp_path: Path) -> None:
    script = re.findall(r"```sh\n(.*?^temporal .*?)```", LANGUAGES, re.DOTALL | re.MULTILINE)[0]
    shown = _run_shell(script, _clone(stack, tmp_path))
    assert "generating" in shown or "sending" in shown or "awaiting_signatures" in shown
    assert '"outcome":"voided"' in shown.replace(" ", "")


@pytest.mark.heavy
def test_the_node_example_starts_asks_and_voids(stack: Stack, tmp_path: Path) -> None:
    tool("npm")
    script = re.findall(r"```sh\n([^`]*npm .*?)```", LANGUAGES, re.DOTALL)[0]
    quiet = script.replace(
        "npm install", "npm install --no-audit --no-fund --no-package-lock --ignore-scripts"
    )
    shown = _run_shell(quiet, _clone(stack, tmp_path), timeout=110)
    assert "started agreement-order-2002" in shown
    assert shown.endswith("ended voided\n")
