"""How a notice arrives: as a Standard Webhook, as Slack reads it, and by mail over TLS."""

import json
import smtplib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
import trustme
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from countersign.agreements.notices import Channel, Problem, ProblemKind, problem_notice
from countersign.callbacks.sender import CallbackSender
from countersign.notices import mail
from countersign.notices.delivery import NoticeSender
from countersign.notices.errors import NotDeliveredError
from countersign.settings import CallbackSettings, NoticeSettings
from tests.callbacks.callback_receiver import QUERY, SECRET, Receiver, drop, receiving, responding
from tests.notices.mail_server import MailServer, mail_server

OUTSIDE = "127.0.0.2"
"""Plays a mail server elsewhere: it is none of the names of this machine."""
LOGIN = ("countersign", "pass word:%40")
NOTICE = problem_notice(
    "production",
    datetime(2027, 1, 31, 12, tzinfo=UTC),
    [Problem(kind=ProblemKind.ACCOUNT_BLOCKED, subject="uk", detail="<credentials> & refused")],
    over=False,
)
SENTENCE = "- account uk is blocked: <credentials> & refused"


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def certified(authority: trustme.CA, name: str = OUTSIDE) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def post(receiver: Receiver, *, loopback: bool = True, **given: Any) -> None:
    settings = NoticeSettings(url=SecretStr(receiver.url), **{"secret": SecretStr(SECRET), **given})
    callbacks = CallbackSettings(allow_loopback=loopback)
    sender = NoticeSender(settings, callbacks, CallbackSender())
    await sender.deliver(Channel.WEBHOOK, NOTICE, "ntc_1")


async def send(
    server: MailServer,
    tls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
    recipients: str = "ops@example.com, boss@example.com",
) -> None:
    user, password = login or (None, None)
    settings = NoticeSettings.model_validate(
        {
            "smtp_host": f"{server.host}:{server.port}",
            "mail_from": "countersign@example.com",
            "mail_to": recipients,
            "smtp_user": user,
            "smtp_password": password,
        }
    )
    sender = NoticeSender(settings, CallbackSettings(), CallbackSender(), tls=tls)
    await sender.deliver(Channel.MAIL, NOTICE, "ntc_1")


async def refusal(server: MailServer, *given: Any) -> str:
    with pytest.raises(NotDeliveredError) as refused:
        await send(server, *given)
    assert server.mails == []
    return str(refused.value)


async def test_a_webhook_is_signed_and_says_everything(receiver: Receiver) -> None:
    await post(receiver)
    (call,) = receiver.calls
    assert call.target == f"/hook?{QUERY}"
    assert call.id == "ntc_1"
    assert Webhook(SECRET).verify(call.body, call.headers) == {
        "type": "notice.problem",
        "timestamp": "2027-01-31T12:00:00Z",
        "data": {
            "environment": "production",
            "title": "a problem",
            "text": SENTENCE,
            "problems": [{"kind": "account_blocked", "subject": "uk", "detail": "<credentials> & refused"}],
        },
    }


async def test_slack_gets_a_text_without_markup_and_without_a_signature(receiver: Receiver) -> None:
    await post(receiver, format="slack", secret=None)
    (call,) = receiver.calls
    assert json.loads(call.body) == {
        "text": "*Countersign production: a problem*\n"
        "- account uk is blocked: &lt;credentials&gt; &amp; refused"
    }
    assert "webhook-signature" not in call.headers


async def test_a_webhook_that_is_not_taken_is_not_delivered(receiver: Receiver) -> None:
    receiver.script = [responding(503, "Retry-After: 7"), drop, 302, 404]
    seen = []
    for _ in range(4):
        with pytest.raises(NotDeliveredError) as refused:
            await post(receiver)
        seen.append((str(refused.value), refused.value.retry_after))
    assert seen == [
        ("answered with HTTP 503", "7"),
        ("the connection broke", None),
        ("answered with HTTP 302", None),
        ("answered with HTTP 404", None),
    ]


async def test_the_rules_of_callbacks_hold_for_its_address(receiver: Receiver) -> None:
    with pytest.raises(NotDeliveredError, match="this machine may not be called back"):
        await post(receiver, loopback=False)
    assert receiver.calls == []
    inside = NoticeSettings(url=SecretStr("https://10.1.2.3/hook"), secret=SecretStr(SECRET))
    assert "must name a public host" in str(inside.reach_problem(CallbackSettings()))
    sender = NoticeSender(inside, CallbackSettings(), CallbackSender())
    with pytest.raises(NotDeliveredError, match="must name a public host"):
        await sender.deliver(Channel.WEBHOOK, NOTICE, "ntc_1")


async def test_mail_goes_out_over_starttls_after_a_login(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with mail_server(OUTSIDE, tls=certified(authority), credentials=LOGIN) as server:
        await send(server, trusting, LOGIN)
    (message,) = server.mails
    assert {name: message[name] for name in ("Subject", "From", "To", "Message-ID", "Auto-Submitted")} == {
        "Subject": "Countersign production: a problem",
        "From": "countersign@example.com",
        "To": "ops@example.com, boss@example.com",
        "Message-ID": "<ntc_1@example.com>",
        "Auto-Submitted": "auto-generated",
    }
    assert message["Date"].datetime == NOTICE.timestamp
    assert message.get_content().strip() == SENTENCE
    assert server.commands.index("STARTTLS") < server.commands.index("AUTH")
    assert server.commands[-1] == "QUIT"


async def test_mail_goes_out_over_tls_from_the_start(
    authority: trustme.CA, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certified(authority)
    async with mail_server(OUTSIDE, tls=tls, speaks_tls_first=True) as server:
        monkeypatch.setattr(mail, "_IMPLICIT_TLS", server.port)
        await send(server, trusting)
    assert len(server.mails) == 1
    assert "STARTTLS" not in server.commands


async def test_a_mail_server_on_this_machine_is_spoken_to_plainly(authority: trustme.CA) -> None:
    async with mail_server(tls=certified(authority)) as server:
        await send(server)
    assert len(server.mails) == 1
    assert "STARTTLS" not in server.commands


async def test_no_mail_goes_to_a_server_that_is_not_who_it_should_be(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    wrong_name = certified(authority, "mail.example.com")
    async with mail_server(OUTSIDE, tls=wrong_name, credentials=LOGIN) as server:
        assert await refusal(server, trusting, LOGIN) == "the mail server's certificate is not valid"
        assert "AUTH" not in server.commands
    async with mail_server(OUTSIDE, tls=certified(trustme.CA())) as server:
        assert await refusal(server, trusting) == "the mail server's certificate is not valid"


async def test_no_mail_and_no_password_go_out_in_the_clear(trusting: ssl.SSLContext) -> None:
    async with mail_server(OUTSIDE, credentials=LOGIN) as server:
        assert (
            await refusal(server, trusting, LOGIN)
            == "the mail server offers no STARTTLS, or no login that is known"
        )
        assert "AUTH" not in server.commands


@pytest.mark.parametrize(
    ("refused", "login", "sentence"),
    [
        ({}, ("countersign", "other"), "the mail server refuses the user name or the password"),
        ({"RCPT": 550}, LOGIN, "the mail server refuses every recipient"),
        ({"MAIL": 451}, LOGIN, "the mail server responds 451"),
        ({"DATA": 452}, LOGIN, "the mail server responds 452"),
    ],
)
async def test_a_mail_server_that_refuses_is_named_in_one_sentence(
    refused: dict[str, int], login: tuple[str, str], sentence: str
) -> None:
    async with mail_server(credentials=LOGIN) as server:
        server.refused = refused
        assert await refusal(server, None, login, "ops@example.com") == sentence


async def test_a_recipient_that_is_refused_keeps_no_other_from_the_mail() -> None:
    async with mail_server() as server:
        server.refused = {"RCPT": 550}
        await send(server)
    assert len(server.mails) == 1


async def test_a_mail_server_that_is_away_or_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mail_server() as server:
        pass
    assert "cannot be reached" in await refusal(server)

    def slow(*_: object) -> smtplib.SMTP:
        raise TimeoutError

    monkeypatch.setattr(mail, "_connect", slow)
    assert await refusal(server) == "the mail server does not respond within 10 s"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"url": "https://hooks.example.com"}, "set COUNTERSIGN_NOTICES_SECRET too"),
        ({"url": "ftp://hooks.example.com"}, "must be https://host/path"),
        ({"smtp_host": "smtp.example.com"}, "set COUNTERSIGN_NOTICES_MAIL_FROM and"),
        ({"smtp_host": "smtp://example.com"}, "must be a host such as smtp.example.com"),
        ({"smtp_user": "me"}, "set both or neither"),
        ({"smtp_user": "me", "smtp_password": "größer"}, "must be printable ASCII"),
        ({"mail_to": "ops"}, "must be e-mail addresses"),
        ({"mail_from": "Ops <ops@example.com>"}, "must be an e-mail address"),
        ({"mail_from": "a@b\r\nBcc: c@d"}, "must be an e-mail address"),
        ({"digest_at": "7:30"}, "must be a time such as 07:30"),
        ({"digest_at": "24:00"}, "must be a time such as 07:30"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        NoticeSettings.model_validate(given)
