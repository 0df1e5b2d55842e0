"""Credentials are whole and bare, `.env` is its owner's, and a new secret is never lost."""

import errno
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from countersign.configuration import SettingsError, load
from countersign.secrets import keeping
from countersign.settings import CountersignSettings, ProviderSettings, webhook_settings
from countersign.storage import FolderStore, UnusableStoreError, open_store

SECRETS = webhook_settings("turbodocx")
SECRET = "TURBODOCX_WEBHOOK_SECRET"
GOOD = "whsec_abcdefghijklmnop"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SECRET, raising=False)


@pytest.mark.parametrize(
    "text", [f'"{GOOD}"', f"'{GOOD}'", f"{GOOD}\n{GOOD}", f"\ufeff{GOOD}", f"{GOOD} x", "wh\u200bsec_a"]
)
@pytest.mark.parametrize("place", ["environment", "folder"])
def test_a_webhook_secret_that_was_copied_wrong_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, place: str
) -> None:
    if place == "environment":
        monkeypatch.setenv(SECRET, text)
    else:
        folder = tmp_path / "secrets"
        folder.mkdir()
        (folder / SECRET).write_text(text)
        monkeypatch.setenv("COUNTERSIGN_SECRETS_DIR", str(folder))
        if text.startswith("\ufeff"):  # a byte order mark of a file is no part of its text
            assert load(SECRETS)[0].webhook_secret == SecretStr(GOOD)
            return
    with pytest.raises(SettingsError, match=SECRET) as raised:
        load(SECRETS)
    assert GOOD not in str(raised.value)


@pytest.mark.parametrize("mode", [0o622, 0o602, 0o644])
def test_an_env_file_that_others_may_write_is_refused(mode: int) -> None:
    Path(".env").write_text("COUNTERSIGN_TASK_QUEUE=mine\n")
    Path(".env").chmod(mode)
    with pytest.raises(SettingsError, match="by other users of this machine; run: chmod 600"):
        load(CountersignSettings)


def test_an_env_file_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("COUNTERSIGN_TASK_QUEUE=mine\n")
    Path(".env").chmod(0o600)
    mine = Path(".env").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    if mine == 0:
        os.chown(".env", 12345, -1)
    with pytest.raises(SettingsError, match="belongs to another user"):
        load(CountersignSettings)


def kept(values: dict[str, str]) -> str:
    place = keeping.place_for(SECRET)
    place.check()
    place.keep(values)
    return Path(".env").read_text()


def test_a_linked_env_file_is_written_through(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "settings"
    target.parent.mkdir()
    target.write_text("A=1\n")
    Path(".env").symlink_to(target)
    assert kept({SECRET: GOOD}) == f"A=1\n{SECRET}={GOOD}\n" == target.read_text()
    assert Path(".env").is_symlink()


def test_a_mounted_env_file_is_written_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("A=1\nB=2\n")
    before = Path(".env").stat().st_ino

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    assert kept({SECRET: GOOD}) == f"A=1\nB=2\n{SECRET}={GOOD}\n"
    assert Path(".env").stat().st_ino == before
    assert [path.name for path in Path().iterdir()] == [".env"]


def test_a_secret_that_cannot_be_kept_is_rescued() -> None:
    file = keeping.rescue(SECRET, GOOD)
    assert (file.read_text(), file.stat().st_mode & 0o777) == (GOOD, 0o600)
    file.unlink()


@pytest.mark.parametrize("url", ["s3:bucket", "C:\\store", "gs:/bucket", "file:/tmp/x"])
def test_a_store_that_only_looks_like_one_is_refused(url: str) -> None:
    with pytest.raises(UnusableStoreError, match="neither a folder nor a bucket"):
        open_store(url)


def test_a_store_may_lie_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = open_store("~/store")
    assert isinstance(store, FolderStore)
    assert not Path("~").exists()


@pytest.mark.parametrize("content", [None, b"0\x82\x01\x0a not PEM"])
def test_certificates_that_cannot_be_read_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "ca.der"
    if content:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("COUNTERSIGN_PROVIDER_TRUST_ENV", "true")
    with pytest.raises(SettingsError, match="SSL_CERT_FILE apply, which must name a PEM file"):
        load(ProviderSettings)
