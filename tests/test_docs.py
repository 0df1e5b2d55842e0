"""What the docs point at exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
FILE = re.compile(
    r"`((?:activities|benchmarks|commands|countersign|deploy|docs|tests|workflows)/[\w./-]*|\w+\.py)`"
)
MADE_IN_EXAMPLES = {"activities/announcements.py"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [each for each in targets if not (page.parent / each).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = set(FILE.findall(page.read_text())) - MADE_IN_EXAMPLES
    known = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    missing = [each for each in named if not (ROOT / each).exists() and each not in known]
    assert missing == []
