"""docs/how-it-fails.md lists every fault, and each test that it names exists."""

import re
from pathlib import Path

import pytest

from tests.chaos.chaos_rules import RULES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-it-fails.md").read_text()
ROWS = re.findall(r"^\| ([WPOS]\d+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)\(", path.read_text())
}

AT_SANDBOX = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name, parameters in re.findall(r"def (test_\w+)\(([^)]*)\)", path.read_text())
    if re.search(r"\b(desk|office|sandbox|scene|rotation): ", parameters)
}


@pytest.mark.parametrize(("kind", "count"), [("W", 46), ("P", 26), ("O", 22), ("S", 10)])
def test_every_fault_is_listed_once(kind: str, count: int) -> None:
    listed = [row[0] for row in ROWS if row[0].startswith(kind)]
    assert listed == [f"{kind}{number}" for number in range(1, count + 1)]


def test_every_fault_names_a_test() -> None:
    assert [row[0] for row in ROWS if not re.search(r"`test_\w+`", row[3])] == []


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert sorted(named - TESTS) == []


def test_every_fault_of_a_call_is_shown_at_the_sandbox() -> None:
    shown = {row[0]: set(re.findall(r"`(test_\w+)`", row[3])) for row in ROWS if row[0].startswith("P")}
    assert [fault for fault, named in shown.items() if not named & AT_SANDBOX] == []


def test_the_rules_are_those_that_chaos_is_judged_by() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert listed == [rule.__name__ for rule in RULES]


def test_the_beginning_points_at_faults_that_are_listed() -> None:
    beginning = PAGE.partition("## Chaos")[0]
    pointed = set(re.findall(r"\b[WPOS]\d+\b", beginning))
    assert len(pointed) > 10
    assert pointed <= {row[0] for row in ROWS}
