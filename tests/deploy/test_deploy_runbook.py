"""The runbook: each alert links to its section; panels, filters, commands and options in it exist."""

import json
import re
import subprocess

import pytest
import typer

from cli.main import app
from countersign.testing.server import temporal_executable
from tests.deploy.filters import OPERATING, saved_filters
from tests.deploy.prometheus import DEPLOY
from tests.deploy.test_deploy_rules import rules

RUNBOOK = OPERATING.read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", RUNBOOK, re.MULTILINE | re.DOTALL))
IN_THE_UI = {"Pending Activities"}


def test_every_alert_links_to_its_section() -> None:
    assert SECTIONS.keys() == {rule["alert"] for rule in rules()}
    for rule in rules():
        assert f"docs/how-to/be-on-call.md#{rule['alert'].lower()}" in str(rule["annotations"])


def test_panels_and_filters_that_it_names_exist() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "countersign.json").read_text())
    titles = {panel["title"] for panel in dashboard["panels"]}
    known = titles | set(saved_filters()) | IN_THE_UI | {"ready"}
    for alert, text in SECTIONS.items():
        named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", text))
        assert named <= known, alert


def test_commands_and_options_that_it_names_exist() -> None:
    commands = vars(typer.main.get_command(app))["commands"]
    assert set(re.findall(r"`countersign ([\w-]+)", RUNBOOK)) <= set(commands)
    reported = re.findall(rf"`(?:countersign )?({'|'.join(commands)})\b([^`\n]*)", RUNBOOK)
    assert len(reported) > 10
    for verb, words in reported:
        known = {option for param in commands[verb].params for option in param.opts} | {"--help"}
        assert set(re.findall(r"--[a-z-]+", words)) <= known, verb


@pytest.mark.parametrize(
    "command",
    [
        "workflow list",
        "workflow count",
        "workflow show",
        "workflow reset",
        "activity reset",
        "task-queue config set",
    ],
)
def test_commands_of_temporal_that_it_names_exist(command: str) -> None:
    assert f"temporal {command}" in RUNBOOK
    line = [str(temporal_executable()), *command.split(), "--help"]
    reported = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    used = re.findall(rf"temporal {command}((?:\\\n|[^`\n])*)", RUNBOOK)
    for option in set(re.findall(r"--[a-z-]+", " ".join(used))):
        assert option in reported
