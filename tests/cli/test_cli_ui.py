"""`ui`: links to Temporal's UI with the runbook's filters."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.shell import Shell
from tests.deploy.filters import saved_filters

NEED_MORE = {"who waits longest for signatures", "deadlines that come soon", "the agreement of a document"}
"""Filters with a time or a document."""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("COUNTERSIGN_TEMPORAL_UI", "https://ui.example.com/temporal/")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "orders.a1b2c")
    return Shell(tmp_path)


def links(printed: str) -> dict[str, str]:
    lines = printed.splitlines()
    return dict(
        zip((name.removesuffix(":") for name in lines[::2]), map(str.strip, lines[1::2]), strict=True)
    )


def test_there_is_a_link_for_every_filter_of_the_runbook_that_needs_no_more(shell: Shell) -> None:
    found = links(shell("ui").out)
    queries = {name: parse_qs(urlsplit(link).query) for name, link in found.items()}
    runbook = {name: {"query": [query]} for name, query in saved_filters().items() if name not in NEED_MORE}
    assert queries == runbook
    assert {link.partition("?")[0] for link in found.values()} == {
        "https://ui.example.com/temporal/namespaces/orders.a1b2c/workflows"
    }


def test_a_link_that_saves_names_its_view(shell: Shell) -> None:
    for name, link in links(shell("ui", "--save").out).items():
        assert parse_qs(urlsplit(link).query)["savedQuery"] == [name]
        assert "+" not in link, "a blank is %20"


def test_without_the_uis_address_the_setting_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERSIGN_TEMPORAL_UI")
    ran = shell("ui")
    assert ran.code == 2
    assert ran.err == (
        "set COUNTERSIGN_TEMPORAL_UI to the address of Temporal's UI, for example https://cloud.temporal.io\n"
    )
