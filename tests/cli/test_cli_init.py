"""`init`: asks for what is missing, checks before it writes, and writes what only the owner can read."""

import os
import re
import signal
from pathlib import Path

import pytest

from devstack.sandbox import API_KEY, ORG_ID
from devstack.stack import Stack
from tests.cli.shell import Shell

ASKED = {
    "TURBODOCX_API_KEY": API_KEY,
    "TURBODOCX_ORG_ID": ORG_ID,
    "TURBODOCX_SENDER_EMAIL": "contracts@example.com",
    "TURBODOCX_SENDER_NAME": "Example Contracts",
}
"""What an account must have: its key first, as it is asked for."""


@pytest.fixture
def fresh(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell that knows Temporal and the sandbox's address, and nothing of the account."""
    for name in ASKED:
        monkeypatch.delenv(name)
    return shell


def _values(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


@pytest.mark.thorough
def test_it_asks_for_what_is_missing_and_writes_what_only_the_owner_reads(fresh: Shell) -> None:
    asked = [(f"({name}): ".encode(), f"{value}\n".encode()) for name, value in ASKED.items()]
    shown, code = fresh.at_a_terminal("init", answers=asked)
    assert code == 0, shown.decode()
    assert re.search(r"TURBODOCX_API_KEY from .*\.env", shown.decode())
    assert API_KEY not in shown.decode()
    file = fresh.folder / ".env"
    assert _values(file) == ASKED | {"TURBODOCX_SENDER_NAME": "'Example Contracts'"}
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    again = fresh.run("init")
    assert again.code == 0, again.out + again.err
    assert "wrote" not in again.out
    assert file.read_text() == before


def test_what_is_given_is_not_asked_for_and_the_webhook_is_set_up(
    shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TURBODOCX_SENDER_NAME")
    monkeypatch.setenv(
        "TURBODOCX_WEBHOOK_SECRET", stack.env.get("TURBODOCX_WEBHOOK_SECRET", "whsec_known-0123456789")
    )
    url = f"{stack.receiver_url}/webhooks/turbodocx"
    ran = shell.run("init", "--set", "TURBODOCX_SENDER_NAME=Ada's Contracts", "--webhook-url", url)
    assert ran.code == 0, ran.out + ran.err
    assert f"events at {url}" in ran.out
    assert "arrived and verified" in ran.out
    found = shell.run("doctor", "--no-test-event")
    assert found.code == 0, "the name in .env, with its apostrophe, is read back"


@pytest.mark.thorough
def test_nothing_is_written_before_the_provider_accepts_the_key(fresh: Shell) -> None:
    asked = ASKED | {"TURBODOCX_API_KEY": "TDX-test-nobodys"}
    typed = [(f"({name}): ".encode(), f"{value}\n".encode()) for name, value in asked.items()]
    shown, code = fresh.at_a_terminal("init", answers=typed)
    assert code == 2, shown.decode()
    assert "rejects the API key" in shown.decode()
    assert "Nothing was written." in shown.decode()
    assert "was read from" not in shown.decode()
    assert not (fresh.folder / ".env").exists()


@pytest.mark.thorough
def test_a_saved_key_that_is_wrong_is_named_with_its_place(
    fresh: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = fresh.folder / ".env"
    file.write_text("TURBODOCX_API_KEY=TDX-test-nobodys\n")
    file.chmod(0o600)
    for name, value in list(ASKED.items())[1:]:
        monkeypatch.setenv(name, value)
    ran = fresh.run("init")
    assert ran.code == 2
    assert "rejects the API key: check TURBODOCX_API_KEY and TURBODOCX_ORG_ID." in ran.err
    assert "TURBODOCX_API_KEY was read from .env: replace it there, or remove it to be asked" in ran.err
    assert ran.err.endswith("Nothing was written.\n")
    assert "nobodys" not in ran.err


@pytest.mark.thorough
def test_an_invalid_answer_is_refused_before_the_next_question(
    fresh: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests' environment is none of production, so it refuses a live key, and production a test key."""
    monkeypatch.delenv(
        "TURBODOCX_BASE_URL"
    )  # a sandbox, which production refuses first; nothing calls it here
    production = ("init", "--production", "--folder", str(fresh.folder / "there"))
    for arguments, typed, why in (
        (("init",), ["TDX-live-0123456789"], "TURBODOCX_API_KEY: does not start with TDX-test-"),
        (production, [API_KEY], "TURBODOCX_API_KEY: is a test key"),
        (("init",), [API_KEY, "my-company"], "TURBODOCX_ORG_ID: must be a UUID"),
    ):
        names = list(ASKED)[: len(typed)]
        answers = [
            (f"({name}): ".encode(), f"{value}\n".encode()) for name, value in zip(names, typed, strict=True)
        ]
        shown, code = fresh.at_a_terminal(*arguments, answers=answers)
        text = shown.decode()
        assert (code, why in text, "Nothing was written." in text) == (2, True, True), text
        assert f"({list(ASKED)[len(typed)]})" not in text, "it asks no further question"
    assert [path for path in fresh.folder.rglob("*") if path.is_file()] == []


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_a_question_leaves_nothing(fresh: Shell, number: signal.Signals) -> None:
    _, code = fresh.at_a_terminal("init", answers=[(b"(TURBODOCX_API_KEY): ", number)])
    assert code == 130
    assert not (fresh.folder / ".env").exists()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "TURBODOCX_API_KEY=TDX-test-typed"], "a secret is no option"),
        (["--set", "TURBODOCX_ORG=1"], "did you mean TURBODOCX_ORG_ID?"),
        (["--set", "TURBODOCX_ORG_ID"], "write NAME=VALUE"),
        (["--production"], "add --folder"),
        ([], "not set: TURBODOCX_API_KEY"),
        (["--account", "nobody"], "no provider nobody is installed"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(fresh: Shell, arguments: list[str], says: str) -> None:
    ran = fresh.run("init", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert "TDX-test-typed" not in ran.err
    assert "Traceback" not in ran.err
    assert list(fresh.folder.iterdir()) == []


@pytest.mark.thorough
def test_production_refuses_a_sandbox(shell: Shell) -> None:
    ran = shell.run("init", "--production", "--folder", "there")
    assert ran.code == 2
    assert "TURBODOCX_BASE_URL: is a sandbox on this machine" in ran.err
    assert "Nothing was written." in ran.err
    assert [path for path in (shell.folder / "there").rglob("*") if path.is_file()] == []


@pytest.mark.thorough
def test_a_folder_gets_settings_and_secrets_apart(fresh: Shell) -> None:
    folder = fresh.folder / "there"
    asked = [(f"({name}): ".encode(), f"{value}\n".encode()) for name, value in ASKED.items()]
    shown, code = fresh.at_a_terminal("init", "--folder", str(folder), answers=asked)
    assert code == 0, shown.decode()
    assert (folder / "secrets/TURBODOCX_API_KEY").read_text() == API_KEY
    assert (folder / "secrets/TURBODOCX_API_KEY").stat().st_mode & 0o777 == 0o600
    assert "TURBODOCX_API_KEY" not in (folder / "settings.env").read_text()
    again = fresh.run("init", "--folder", str(folder))
    assert again.code == 0, again.out + again.err
    assert not (fresh.folder / ".env").exists()
    assert "TURBODOCX_API_KEY" not in os.environ
