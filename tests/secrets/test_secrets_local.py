"""The environment, `.env`, files and folders: who wins, and what is refused."""

import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from countersign.configuration import read
from countersign.secrets.keeping import env_file_place
from countersign.settings import SettingsError, load, webhook_settings
from tests.conftest import tool

SECRETS = webhook_settings("turbodocx")
NAME = "TURBODOCX_WEBHOOK_SECRET"


def secret() -> str:
    return load(SECRETS)[0].webhook_secret.get_secret_value()


def where() -> str | None:
    return read(SECRETS).where(NAME)


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        load(SECRETS)
    return str(caught.value)


def write_env_file(text: str, mode: int = 0o600) -> None:
    Path(".env").write_text(text)
    Path(".env").chmod(mode)


def test_the_strongest_place_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / NAME.lower()).write_text("whsec_from-folder\n")
    monkeypatch.setenv("COUNTERSIGN_SECRETS_DIR", str(folder))
    assert (secret(), where()) == ("whsec_from-folder", str(folder))
    write_env_file(f"{NAME}=whsec_from-dotenv")
    assert (secret(), where()) == ("whsec_from-dotenv", ".env")
    (tmp_path / "value").write_text("whsec_from-file")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "value"))
    assert (secret(), where()) == ("whsec_from-file", "environment")
    monkeypatch.delenv(f"{NAME}_FILE")
    monkeypatch.setenv(NAME, "whsec_from-environment")
    assert (secret(), where()) == ("whsec_from-environment", "environment")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_an_env_file_that_others_can_read_is_refused(mode: int) -> None:
    write_env_file(f"{NAME}=whsec_from-dotenv", mode)
    message = refusal()
    assert message.splitlines()[1:] == [
        "  .env can be read by other users of this machine; run: chmod 600 .env"  # and not what it may hold
    ]
    assert "whsec_from" not in message


def test_production_does_not_read_an_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write_env_file(f"{NAME}=whsec_from-dotenv")
    monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "production")
    assert f"{NAME} is not set" in refusal()


def test_an_env_file_does_not_make_production() -> None:
    write_env_file(f"{NAME}=whsec_from-dotenv\nCOUNTERSIGN_ENVIRONMENT=production\n")
    assert "production does not read .env" in refusal()


def test_a_dollar_in_an_env_file_is_a_dollar() -> None:
    write_env_file(f"{NAME}='whsec_$HOME${{PATH}}-0123'")
    assert secret() == "whsec_$HOME${PATH}-0123"


def test_an_env_file_that_is_no_text_is_refused() -> None:
    Path(".env").write_bytes(b"\xff\xfe\x00")
    Path(".env").chmod(0o600)
    assert ".env cannot be read as UTF-8 text" in refusal()


def test_a_value_and_a_file_for_it_are_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "whsec_from-environment")
    monkeypatch.setenv(f"{NAME}_FILE", "/run/secrets/x")
    assert f"{NAME} and {NAME}_FILE are both set; keep one of them" in refusal()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"x" * 65_537, "is larger than 65536 bytes"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_and_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "value").write_bytes(content)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "value"))
    message = refusal()
    assert f"{NAME}_FILE names a file that {reason}" in message
    assert "is not set" not in message


def test_a_missing_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_SECRETS_DIR", "/nowhere/at/all")
    assert "COUNTERSIGN_SECRETS_DIR names a folder that cannot be read" in refusal()


def test_a_folder_as_kubernetes_mounts_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files are links into `..data`, itself a link to a folder that is replaced as a whole."""
    for version in ("1", "2"):
        (tmp_path / f"..v{version}").mkdir()
        (tmp_path / f"..v{version}" / NAME).write_text(f"whsec_version-{version}")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / NAME).symlink_to(f"..data/{NAME}")
    monkeypatch.setenv("COUNTERSIGN_SECRETS_DIR", str(tmp_path))
    assert secret() == "whsec_version-1"
    (tmp_path / "..data").unlink()
    (tmp_path / "..data").symlink_to("..v2")
    assert secret() == "whsec_version-2"


def test_no_place_shows_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "whsec_from-environment")
    assert "whsec_from" not in repr(read(SECRETS))


@pytest.mark.parametrize(
    "value",
    ["plain", "Example Contracts", "O'Brien & Daughters", 'Say "yes"', "O'Brien's \"best\"", "$5 `x`"],
)
def test_a_value_that_is_kept_is_read_alike_by_a_shell_and_by_this_program(
    value: str, tmp_path: Path
) -> None:
    file = tmp_path / "settings.env"
    env_file_place(file).keep({"TURBODOCX_SENDER_NAME": value})
    script = f'. "{file}"; printf %s "$TURBODOCX_SENDER_NAME"'
    read = subprocess.run([tool("sh"), "-euc", script], capture_output=True, text=True, check=True)
    assert read.stdout == value
    assert dotenv_values(file, interpolate=False)["TURBODOCX_SENDER_NAME"] == value
