"""Links, anchors, files, commands, settings and tests that the pages name exist."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app
from countersign.settings_reference import groups

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
FAULTS = ROOT / "tests" / "FAULTS.md"
PAGES = [FAULTS, *sorted(ROOT.glob("*.md")), *(page for page in DOCS if "node_modules" not in page.parts)]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
INCLUDED = re.compile(r'^--8<-- "(.*)"$', re.MULTILINE)
CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(
    r"`((?:activities|benchmarks|cli|countersign|deploy|docs|tests|workflows)/[\w./-]*|\w+\.py)`"
)
COMMAND = re.compile(r"(?:`|^\$ |^ {4})countersign (\w[^`\n]*)", re.MULTILINE)
MODULE = re.compile(r"python -m ((?:benchmarks|countersign|sandbox)[\w.]*)")
VARIABLE = re.compile(r"\b(?:TURBODOCX|COUNTERSIGN)_[A-Z][A-Z_]*[A-Z]\b")
MADE_IN_EXAMPLES = {"activities/announcements.py"}
HISTORY = {"CHANGELOG.md"}
"""Names what is gone."""
SWITCHES = {"test_payload"}
"""Of the sandbox; no tests."""

of_today = pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in HISTORY], ids=lambda page: page.name
)


def text_of(page: Path) -> str:
    """Read a page with what it includes."""
    return INCLUDED.sub(lambda found: (ROOT / found[1]).read_text(), page.read_text())


def anchors(page: Path) -> set[str]:
    """Name the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


ASKING = re.compile(r"^(?: {4}| *)temporal (?:workflow|worker|task-queue|operator) (.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", sorted((ROOT / "docs/how-to").glob("*.md")), ids=lambda page: page.name)
def test_a_page_that_asks_temporal_says_which_server(page: Path) -> None:
    text = page.read_text()
    asking = [line for line in ASKING.findall(text) if "--namespace" not in line]
    assert not asking or "TEMPORAL_NAMESPACE" in text or ". .countersign/local/env" in text, asking


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_anchors_exist(page: Path) -> None:
    for target, anchor in LINK.findall(CODE.sub("", page.read_text())):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


@of_today
def test_files_that_are_named_exist(page: Path) -> None:
    named = set(FILE.findall(page.read_text())) - MADE_IN_EXAMPLES
    tops = [top for top in ROOT.iterdir() if not top.name.startswith(".")]
    known = {path.name for top in tops for path in (top.rglob("*.py") if top.is_dir() else [top])}
    missing = [name for name in named if not (ROOT / name).exists() and name not in known]
    assert missing == []


def verb_of(words: list[str]) -> Any:
    """Follow a command's words to its verb; each is a verb of the one before, or an argument."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return command


@of_today
def test_commands_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    assert [name for name in MODULE.findall(text) if importlib.util.find_spec(name) is None] == []
    assert "starter.py " not in text, "write `countersign`"
    for arguments in COMMAND.findall(text):
        words = arguments.split()
        verb = verb_of(words)
        assert verb.name in words, f"countersign {arguments}"
        options = {option for param in verb.params for option in (*param.opts, *param.secondary_opts)}
        unknown = {word for word in words if word.startswith("--")} - options - {"--help"}
        assert unknown == set(), f"countersign {arguments}"


def test_every_section_of_the_changelog_says_whether_histories_are_affected() -> None:
    sections = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    said = [re.findall(r"^Histories are (?:not )?affected\b", section, re.MULTILINE) for section in sections]
    assert sections
    assert [
        section.splitlines()[0] for section, found in zip(sections, said, strict=True) if len(found) != 1
    ] == []


def test_tests_that_are_named_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text())} - SWITCHES
    assert len(named) > 100
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named - set(re.findall(r"def (test_\w+)\(", tests)) == set()


@of_today
def test_settings_that_are_named_exist(page: Path) -> None:
    known = {entry.variable for _, entries in groups() for entry in entries}
    known |= {name.replace("TURBODOCX_", "TURBODOCX_UK_") for name in known}  # an example of an account
    known |= {f"{name}_FILE" for name in known}
    assert {name for name in VARIABLE.findall(page.read_text()) if name not in known} == set()
