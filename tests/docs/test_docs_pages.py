"""What the docs point at exists."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app
from countersign.settings import GROUPS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
FILE = re.compile(
    r"`((?:activities|benchmarks|cli|countersign|deploy|docs|tests|workflows)/[\w./-]*|\w+\.py)`"
)
COMMAND = re.compile(r"(?:`|^ {4}).*?python (starter\.py|-m countersign\.\w+)([^`\n]*)", re.MULTILINE)
SCRIPT = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\b(?:TURBODOCX|COUNTERSIGN)_[A-Z][A-Z_]*[A-Z]\b")
MADE_IN_EXAMPLES = {"activities/announcements.py"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = set(FILE.findall(page.read_text())) - MADE_IN_EXAMPLES
    known = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    missing = [name for name in named if not (ROOT / name).exists() and name not in known]
    assert missing == []


def verb_of(words: list[str]) -> Any:
    """Follow a command's words to its verb; each is a verb of the one before, or an argument."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    for program, arguments in COMMAND.findall(page.read_text()):
        words = arguments.split()
        if program != "starter.py":
            assert importlib.util.find_spec(program.split()[1]) is not None, program
            continue
        verb = verb_of(words)
        assert verb.name in words, f"starter.py{arguments}"
        options = {option for param in verb.params for option in (*param.opts, *param.secondary_opts)}
        unknown = {word for word in words if word.startswith("--")} - options - {"--help"}
        assert unknown == set(), f"starter.py{arguments}"


def test_tests_that_are_named_exist() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "explanation" / "how-it-fails.md").read_text())
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert set(named) - set(re.findall(r"def (test_\w+)\(", tests)) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_are_named_exist(page: Path) -> None:
    known = {kind.variable(name) for kind in GROUPS for name in kind.model_fields}
    known |= {f"{name}_FILE" for name in known}
    assert {item for item in VARIABLE.findall(page.read_text()) if item not in known} == set()


def test_scripts_that_start_agreements_end_safely() -> None:
    """Without `leave` 1 in 20 of them would abort at their end."""
    found = [code for page in PAGES for code in SCRIPT.findall(page.read_text()) if "from starter" in code]
    assert len(found) > 1
    assert [code for code in found if not re.search(r"^leave\(run\(main\(\)\)\)", code, re.MULTILINE)] == []
