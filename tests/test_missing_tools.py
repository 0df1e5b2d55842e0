"""A machine without a tool that a test needs: the test is skipped there, and under CI it fails."""

import re
from pathlib import Path

import pytest

from tests.conftest import tool

ROOT = Path(__file__).parents[1]
SOURCES = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)}
MAKEFILE = (ROOT / "Makefile").read_text()
EVERYWHERE = {"bash", "git", "make", "setpriv", "sh", "sha256sum"}
"""Part of every Debian, or needed to run the tests at all."""


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no divining-rod on this machine: apt-get install rods"):
        tool("divining-rod", "rods")


def test_one_place_decides_what_is_skipped() -> None:
    skipping = re.compile(r"pytest\.(mark\.skip\w*|importorskip|skip\b)")
    found = {path.name for path, text in SOURCES.items() if skipping.search(text)}
    assert found == {"conftest.py"}


def test_make_installs_what_tests_ask_for() -> None:
    listed = re.findall(r"^DEBIAN := (.*?[^\\])$", MAKEFILE, re.MULTILINE | re.DOTALL)
    known = set(re.findall(r"([\w-]+):", listed[0])) | {"promtool"}
    asked = {name for text in SOURCES.values() for name in re.findall(r'\btool\("([\w-]+)"', text)}
    assert len(asked) > 5
    assert asked - EVERYWHERE <= known
