"""The alert rules on their own: valid, tested by promtool."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import tool
from tests.deploy.prometheus import DEPLOY, FASTER, RULES, hurried

METRICS = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def rules() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.heavy
@pytest.mark.parametrize(("verb", "file"), [("check", "alerts.yml"), ("test", "alerts.test.yml")])
def test_promtool_is_content(verb: str, file: str) -> None:
    command = [tool("promtool", "prometheus"), verb, "rules", file]
    done = subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_to_fire_and_not_to() -> None:
    tests = yaml.safe_load((RULES.parent / "alerts.test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for rule in rules():
        outcomes = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]}
        assert outcomes == {True, False}, rule["alert"]


def test_rules_and_dashboard_name_metrics_that_exist() -> None:
    reported = set(re.findall(r"`(countersign_\w+)`", METRICS.read_text()))
    text = RULES.read_text() + (DEPLOY / "grafana" / "countersign.json").read_text()
    named = {name.removesuffix("_bucket") for name in re.findall(r"countersign_\w+", text)}
    assert named <= reported


def test_hurried_rules_are_the_same_but_for_their_durations() -> None:
    text = hurried("for: 5m\nexpr: x[15m] offset 15m\nmax(a_age_seconds) > 300\n[1h] > 0.2")
    assert text == "for: 5000ms\nexpr: x[15000ms] offset 15000ms\nmax(a_age_seconds) > 5\n[60000ms] > 0.2"
    assert FASTER == 60
