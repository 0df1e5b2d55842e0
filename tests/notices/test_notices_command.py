"""`notices test` and the doctor's line, by the settings of this process."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from cli.checks.notices import check_notices
from tests.callbacks.callback_receiver import SECRET, Receiver, receiving
from tests.cli.shell import Shell
from tests.notices.mail_server import MailServer, mail_server


@pytest.fixture
def servers() -> Iterator[tuple[Receiver, MailServer]]:
    """A receiver and a mail server on a loop of their own: the command blocks the test's."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    contexts = (receiving(), mail_server())
    opened = [asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result() for context in contexts]
    yield opened[0], opened[1]  # type: ignore[misc]  # a pair of two kinds
    for context in contexts:
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(autouse=True)
def notified(servers: tuple[Receiver, MailServer], monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, mails = servers
    for name, value in {
        "COUNTERSIGN_ENVIRONMENT": "staging",
        "COUNTERSIGN_CALLBACKS_ALLOW_LOOPBACK": "true",
        "COUNTERSIGN_NOTICES_URL": receiver.url,
        "COUNTERSIGN_NOTICES_SECRET": SECRET,
        "COUNTERSIGN_NOTICES_SMTP_HOST": f"{mails.host}:{mails.port}",
        "COUNTERSIGN_NOTICES_MAIL_FROM": "countersign@example.com",
        "COUNTERSIGN_NOTICES_MAIL_TO": "ops@example.com,boss@example.com",
    }.items():
        monkeypatch.setenv(name, value)


def test_a_test_notice_goes_out_by_every_channel(
    shell: Shell,
    servers: tuple[Receiver, MailServer],
) -> None:
    receiver, mails = servers
    ran = shell("notices", "test")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "webhook: the test notice was accepted\nmail: the test notice was accepted\n"
    (call,), (message,) = receiver.calls, mails.mails
    assert call.event["type"] == "notice.test"
    assert message["Subject"] == "Countersign staging: a test"
    assert message.get_content().strip() == "Notices arrive here."


def test_a_channel_that_does_not_take_it_is_named(
    shell: Shell,
    servers: tuple[Receiver, MailServer],
) -> None:
    receiver, mails = servers
    receiver.script = [404]
    ran = shell("notices", "test")
    assert ran.code == 5
    assert "webhook: answered with HTTP 404\n" in ran.err
    assert "1 of 2 channels did not take the test notice" in ran.err
    assert "canary" not in ran.out + ran.err
    assert len(mails.mails) == 1


def test_notices_that_are_off_are_a_sentence(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COUNTERSIGN_NOTICES_URL")
    monkeypatch.delenv("COUNTERSIGN_NOTICES_SMTP_HOST")
    ran = shell("notices", "test")
    assert ran.code == 2
    assert ran.err.startswith("notices are off; set COUNTERSIGN_NOTICES_URL or")
    assert check_notices().found.startswith("none: no one is notified")


def test_the_doctor_says_how_operators_are_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_notices().found == (
        "by webhook (standard) and by mail to 2 addresses, the digest at 07:00 UTC"
    )
    monkeypatch.setenv("COUNTERSIGN_CALLBACKS_ALLOW_LOOPBACK", "false")
    refused = check_notices()
    assert (refused.state, refused.found.split(":")[0]) == ("failed", "COUNTERSIGN_NOTICES_URL")
    monkeypatch.setenv("COUNTERSIGN_NOTICES_DIGEST_AT", "noon")
    assert check_notices().state == "skipped"
