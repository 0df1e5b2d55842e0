"""A process warns at start of a variable that is no setting, with the nearest one and without its value."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from countersign import unknown_settings
from countersign.providers.registry import accounts
from countersign.settings import CountersignSettings, load

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _nothing_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts()  # a process knows the settings of accounts once it uses them
    monkeypatch.setattr(unknown_settings, "_reported", set())


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("COUNTERSIGN_PROVIDER_SLOT", "; did you mean COUNTERSIGN_PROVIDER_SLOTS?"),
        ("TURBODOCX_API_KYE", "; did you mean TURBODOCX_API_KEY?"),
        ("COUNTERSIGN_ORG_ID", "; did you mean TURBODOCX_ORG_ID?"),
        ("COUNTERSIGN_ZZZZ", ""),
    ],
)
def test_an_unknown_name_is_one_warning_with_the_nearest_setting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, suggestion: str
) -> None:
    monkeypatch.setenv(name, "canary")
    load(CountersignSettings)
    load(CountersignSettings)
    assert caplog.messages == [f"{name} is not a setting{suggestion}"]
    assert caplog.records[0].levelname == "WARNING"
    assert "canary" not in caplog.text


def test_so_is_one_in_the_env_file(caplog: pytest.LogCaptureFixture) -> None:
    Path(".env").write_text("COUNTERSIGN_STOER=canary\n")
    Path(".env").chmod(0o600)
    load(CountersignSettings)
    assert caplog.messages == ["COUNTERSIGN_STOER is not a setting; did you mean COUNTERSIGN_STORE?"]


@pytest.mark.parametrize("name", ["TURBODOCX_API_KEY", "TURBODOCX_WEBHOOK_SECRET_FILE", "TEMPORAL_ADRESS"])
def test_settings_of_any_process_their_files_and_others_names_are_not_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setenv(name, "canary")
    load(CountersignSettings)
    assert caplog.messages == []


@pytest.mark.parametrize(
    "command",
    [
        ["worker.py"],
        ["-m", "receiver"],
        ["-m", "countersign.codec_server"],
        ["starter.py", "list"],
    ],
    ids=["worker", "receiver", "codec server", "starter"],
)
def test_every_process_tells_at_start(tmp_path: Path, command: list[str]) -> None:
    done = run(tmp_path, command)
    sentence = "COUNTERSIGN_CODEC_TOKN is not a setting; did you mean COUNTERSIGN_CODEC_TOKEN?"
    assert done.stderr.count(sentence) == 1
    assert "canary" not in done.stderr + done.stdout


@pytest.mark.parametrize("command", [["worker.py"], ["-m", "receiver"]], ids=["worker", "receiver"])
def test_processes_of_accounts_know_their_settings(tmp_path: Path, command: list[str]) -> None:
    done = run(tmp_path, command, TURBODOCX_API_KYE="canary")
    assert done.stderr.count("TURBODOCX_API_KYE is not a setting; did you mean TURBODOCX_API_KEY?") == 1
    assert "canary" not in done.stderr + done.stdout


@pytest.mark.parametrize("setting", ["COUNTERSIGN_LOG_BODIES=redacted", "COUNTERSIGN_ALLOW_LIVE=false"])
def test_the_receiver_knows_the_settings_of_the_worker(tmp_path: Path, setting: str) -> None:
    name, _, value = setting.partition("=")
    assert name not in run(tmp_path, ["-m", "receiver"], **{name: value}).stderr


@pytest.mark.parametrize(("level", "lines"), [("ERROR", 0), ("WARNING", 1)])
def test_the_starter_logs_as_the_env_file_says(tmp_path: Path, level: str, lines: int) -> None:
    (tmp_path / ".env").write_text(f"COUNTERSIGN_LOG_LEVEL={level}\n")
    (tmp_path / ".env").chmod(0o600)
    done = run(tmp_path, ["starter.py", "list"])
    assert done.stderr.count('{"event": "COUNTERSIGN_CODEC_TOKN is not') == lines


def run(folder: Path, command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a process with an unknown variable in its environment, and no Temporal."""
    file = [str(ROOT / item) if item.endswith(".py") else item for item in command]
    mistakes = {"COUNTERSIGN_CODEC_TOKN": "canary", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    return subprocess.run(
        [sys.executable, *file],
        env={**os.environ, **mistakes, **more, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
