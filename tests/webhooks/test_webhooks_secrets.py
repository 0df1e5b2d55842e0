"""Secrets that are missing, replaced, or rotated by the provider without notice."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from countersign.configuration import SettingsError
from countersign.settings import ReceiverSettings
from countersign.webhooks.routes import open_routes
from tests.webhooks.webhook_deliveries import PATH, SECRET, encode, envelope, sign
from tests.webhooks.webhook_receivers import calling, environment_of, receiver_in_process

BODY = encode(envelope("Somebody else's"))
OLD, NEW = "whsec_old-0123456789abcdef", "whsec_new-0123456789abcdef"


async def post(url: str, secret: str) -> int:
    async with calling(url) as http:
        return (await http.post(PATH, content=BODY, headers=sign(BODY, secret=secret))).status_code


@pytest.mark.parametrize("secret", [None, "", " ", "changeme", "whsec_xxx", "whsec_..."])
def test_without_a_secret_there_is_no_endpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TURBODOCX_WEBHOOK_SECRET", raising=False)
    if secret is not None:
        monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET", secret)

    with pytest.raises(SettingsError, match="TURBODOCX_WEBHOOK_SECRET"):
        open_routes(ReceiverSettings())


async def test_without_a_secret_it_does_not_start(receiving: Client, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "--port=0"),
        env=environment_of(receiving, TURBODOCX_WEBHOOK_SECRET="", PYTHONPATH=str(Path.cwd())),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()

    assert (process.returncode, stdout) == (2, b"")
    assert (
        stderr == b"webhooks: These settings are missing or invalid:\n  TURBODOCX_WEBHOOK_SECRET is not set\n"
    )


async def test_the_previous_secret_is_accepted_until_its_end(receiving: Client) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    async with receiver_in_process(
        receiving,
        TURBODOCX_WEBHOOK_SECRET_PREVIOUS=OLD,
        TURBODOCX_WEBHOOK_SECRET_PREVIOUS_UNTIL=ends.isoformat(),
    ) as receiver:
        assert await post(receiver, SECRET) == 200
        assert await post(receiver, OLD) == 200
        assert await post(receiver, NEW) == 401


async def test_after_its_end_it_is_not(receiving: Client) -> None:
    ended = datetime.now(UTC) - timedelta(seconds=1)
    async with receiver_in_process(
        receiving,
        TURBODOCX_WEBHOOK_SECRET_PREVIOUS=OLD,
        TURBODOCX_WEBHOOK_SECRET_PREVIOUS_UNTIL=ended.isoformat(),
    ) as receiver:
        assert await post(receiver, SECRET) == 200
        assert await post(receiver, OLD) == 401


async def test_a_mismatch_reads_the_secret_again_at_most_every_30_s(
    receiving: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text(OLD)
    async with receiver_in_process(
        receiving, TURBODOCX_WEBHOOK_SECRET="", TURBODOCX_WEBHOOK_SECRET_FILE=str(file)
    ) as receiver:
        assert await post(receiver, OLD) == 200
        file.write_text(NEW)
        assert set(await asyncio.gather(*(post(receiver, NEW) for _ in range(10)))) == {200}
        assert await post(receiver, OLD) == 401

        file.write_text(OLD)
        assert await post(receiver, OLD) == 401  # it was read less than 30 s ago
    assert NEW not in caplog.text


async def test_a_secret_that_can_no_longer_be_read_stays_as_it_was(receiving: Client, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(OLD)
    async with receiver_in_process(
        receiving, TURBODOCX_WEBHOOK_SECRET="", TURBODOCX_WEBHOOK_SECRET_FILE=str(file)
    ) as receiver:
        file.unlink()
        assert await post(receiver, NEW) == 401
        assert await post(receiver, OLD) == 200
