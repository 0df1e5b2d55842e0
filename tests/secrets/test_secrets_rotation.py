"""Rotation: who asks never waits for a slow manager, and one who was refused gets the new secret at once."""

import asyncio
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from countersign.secrets.rotation import Rotating
from countersign.settings import SettingsError, WebhookSettings, load, webhook_settings

SECRETS = webhook_settings("turbodocx")


def settings(secret: str) -> WebhookSettings:
    return SECRETS(webhook_secret=SecretStr(secret))


OLD, NEW = settings("whsec_old-0123456789"), settings("whsec_new-0123456789")


class Vault:
    """What a secret manager holds; counts how often it is read, can be held up or broken."""

    def __init__(self, value: WebhookSettings) -> None:
        self.value: WebhookSettings | Exception = value
        self.reads = 0
        self.open = threading.Event()
        self.open.set()

    def read(self) -> WebhookSettings:
        self.reads += 1
        assert self.open.wait(20)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault() -> Vault:
    return Vault(OLD)


@pytest.fixture
def rotating(vault: Vault, clock: Clock) -> Rotating[WebhookSettings]:
    return Rotating(OLD, vault.read, ttl_seconds=300, renew_seconds=10, clock=clock)


async def settled(rotating: Rotating[WebhookSettings]) -> WebhookSettings:
    """Return what holds once a reading under way has ended."""
    if rotating._refresh is not None:
        await rotating._refresh
    return rotating.current


async def test_young_settings_are_not_read_again(
    rotating: Rotating[WebhookSettings], vault: Vault, clock: Clock
) -> None:
    clock.now += 299
    assert await rotating.get() == OLD
    assert vault.reads == 0


async def test_old_settings_are_read_again_and_no_one_waits_for_it(
    rotating: Rotating[WebhookSettings], vault: Vault, clock: Clock
) -> None:
    vault.value = NEW
    vault.open.clear()
    clock.now += 300
    assert [await rotating.get() for _ in range(50)] == [OLD] * 50
    vault.open.set()
    assert await settled(rotating) == NEW
    assert vault.reads == 1


async def test_a_refused_secret_is_replaced_at_once(
    rotating: Rotating[WebhookSettings], vault: Vault, clock: Clock
) -> None:
    vault.value = NEW
    clock.now += 10
    assert await rotating.renew(OLD)
    assert await rotating.get() == NEW
    assert vault.reads == 1


async def test_who_was_refused_with_an_older_one_needs_no_parsed(
    rotating: Rotating[WebhookSettings], vault: Vault
) -> None:
    assert await rotating.renew(NEW)
    assert vault.reads == 0


async def test_a_hundred_refusals_are_one_parsed(
    rotating: Rotating[WebhookSettings], vault: Vault, clock: Clock
) -> None:
    clock.now += 10
    vault.open.clear()
    waiting = [asyncio.create_task(rotating.renew(OLD)) for _ in range(100)]
    await asyncio.sleep(0)
    vault.value = NEW
    vault.open.set()
    assert await asyncio.gather(*waiting) == [True] * 100
    assert vault.reads == 1


async def test_refusals_cannot_hammer_the_manager(
    rotating: Rotating[WebhookSettings], vault: Vault, clock: Clock
) -> None:
    for _ in range(30):
        clock.now += 1
        assert not await rotating.renew(OLD)
    assert vault.reads == 3


async def test_one_who_gives_up_waiting_does_not_stop_the_parsed(
    rotating: Rotating[WebhookSettings], vault: Vault, clock: Clock
) -> None:
    clock.now += 10
    vault.value = NEW
    vault.open.clear()
    waiting = asyncio.create_task(rotating.renew(OLD))
    await asyncio.sleep(0)
    waiting.cancel()
    vault.open.set()
    assert await settled(rotating) == NEW


async def test_the_last_good_settings_serve_on_while_the_manager_is_down(
    rotating: Rotating[WebhookSettings], vault: Vault, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    vault.value = SettingsError("HashiCorp Vault is sealed")
    clock.now += 300
    await rotating.get()
    assert await settled(rotating) == OLD
    assert "HashiCorp Vault is sealed" in caplog.text
    vault.value = NEW
    clock.now += 10
    assert await rotating.renew(OLD)


async def test_a_file_that_changes_is_a_rotation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_old-0123456789")
    monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET_FILE", str(file))
    (first,) = load(SECRETS)
    rotating = Rotating(first, clock=clock)
    file.write_text("whsec_new-0123456789")
    clock.now += 10
    assert await rotating.renew(first)
    assert rotating.current == NEW
    file.write_text("changeme")
    clock.now += 10
    assert not await rotating.renew(NEW)
    assert rotating.current == NEW
