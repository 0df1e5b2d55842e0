"""The documentation builds as a site: strictly, and without requests to other hosts."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import cannot_run

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?(https?:[^\"> ]+)")
STYLES = re.compile(
    r"<link\b(?=[^>]*\brel=\"?(?:stylesheet|preconnect|icon))[^>]*\bhref=\"?(https?:[^\"> ]+)"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the site is built from."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("node_modules"))
    for name in ("mkdocs.yml", *map(str, included())):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def included() -> list[str]:
    """Files that pages include, from the root."""
    pages = (ROOT / "docs").rglob("*.md")
    return [name for page in pages for name in re.findall(r'^--8<-- "(.*)"$', page.read_text(), re.MULTILINE)]


def build(checkout: Path) -> subprocess.CompletedProcess[str]:
    if find_spec("mkdocs") is None:
        cannot_run("no mkdocs in this environment: make docs")
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=checkout,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_the_site_builds_and_loads_nothing_from_other_hosts(checkout: Path) -> None:
    built = build(checkout)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = [page.read_text() for page in (checkout / "site").rglob("*.html")]
    assert len(pages) > 20
    assert [url for page in pages for url in LOADED.findall(page) + STYLES.findall(page)] == []


@pytest.mark.parametrize("link", ["nowhere.md", "tutorial/first-agreement.md#nowhere"])
def test_a_broken_link_fails_the_build(checkout: Path, link: str) -> None:
    with (checkout / "docs" / "index.md").open("a") as page:
        page.write(f"\n[a broken link]({link})\n")
    built = build(checkout)
    assert built.returncode != 0
    assert link.partition("#")[2] in built.stderr
