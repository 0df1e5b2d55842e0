"""Deliver a notice over one channel, once."""

import asyncio
import json
import ssl
import time
from http import HTTPStatus

from countersign.agreements.addresses import read_callback_url
from countersign.agreements.notices import Channel, Notice
from countersign.callbacks.sender import CallbackSender, NoResponseError, NotConnectedError
from countersign.callbacks.signing import read_secrets, sign
from countersign.notices.errors import NotDeliveredError
from countersign.notices.mail import compose, read_server, send_mail
from countersign.settings.callbacks import CallbackSettings
from countersign.settings.notices import NoticeSettings


class NoticeSender:
    """Delivers notices as the settings say.

    Args:
        settings: Where notices go.
        callbacks: Which networks may be called.
        sender: Posts; resolves and checks addresses as for callbacks.
        tls: The TLS settings of mail; by default the usual authorities, or those of `SSL_CERT_FILE`.
    """

    def __init__(
        self,
        settings: NoticeSettings,
        callbacks: CallbackSettings,
        sender: CallbackSender,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._callbacks = callbacks
        self._sender = sender
        self._tls = tls

    async def deliver(self, channel: Channel, notice: Notice, notice_id: str) -> None:
        """Deliver a notice, once.

        Args:
            channel: How.
            notice: The notice.
            notice_id: The same whenever the notice is repeated.

        Raises:
            NotDeliveredError: It was not delivered, or nothing says that it was.
        """
        if channel not in self._settings.channels():
            raise NotDeliveredError("the settings no longer name it")
        await (self._post(notice, notice_id) if channel is Channel.WEBHOOK else self._mail(notice, notice_id))

    async def _post(self, notice: Notice, notice_id: str) -> None:
        settings = self._settings
        if settings.url is None:
            raise RuntimeError("no URL, although the webhook is on")
        if problem := settings.reach_problem(self._callbacks):
            raise NotDeliveredError(problem)
        body, headers = notice.model_dump_json(exclude_none=True).encode(), {}
        if settings.format == "slack":
            body = json.dumps({"text": _slack_text(notice)}, ensure_ascii=False).encode()
        if settings.secret is not None:
            secrets = read_secrets(settings.secret.get_secret_value())
            headers = sign(secrets, event_id=notice_id, timestamp=int(time.time()), body=body)
        try:
            response = await self._sender.post(
                read_callback_url(settings.url.get_secret_value()), headers, body
            )
        except (NotConnectedError, NoResponseError) as error:
            raise NotDeliveredError(str(error)) from None
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise NotDeliveredError(f"answered with HTTP {response.status}", response.retry_after)

    async def _mail(self, notice: Notice, notice_id: str) -> None:
        settings = self._settings
        if settings.smtp_host is None or settings.mail_from is None:
            raise RuntimeError("no mail server, although mail is on")
        message = compose(notice, notice_id, sender=settings.mail_from, recipients=settings.mail_to)
        server = read_server(settings.smtp_host, settings.smtp_user, settings.smtp_password)
        tls = self._tls or ssl.create_default_context()  # not httpx's, which offers HTTP to the mail server
        await asyncio.to_thread(send_mail, server, message, tls=tls)


def _slack_text(notice: Notice) -> str:
    """Write a notice for Slack, which reads `&`, `<` and `>` as markup."""
    text = f"*Countersign {notice.data.environment}: {notice.data.title}*\n{notice.data.text}"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
