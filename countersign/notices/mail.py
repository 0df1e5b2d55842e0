"""Send a notice by mail, with the certificate of the mail server checked."""

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import closing, suppress
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, NamedTuple

from pydantic import SecretStr

from countersign.agreements.notices import Notice
from countersign.loopback import LOOPBACK_HOSTS
from countersign.notices.errors import NotDeliveredError

SECONDS: Final = 10.0
"""How long one response of the mail server may take."""
_SUBMISSION: Final = 587
_IMPLICIT_TLS: Final = 465


class MailServer(NamedTuple):
    """A mail server, and how to log in there.

    Args:
        host: Its name or address.
        port: Its port: with 465 it speaks TLS from the start.
        user: The user name; None if it wants none.
        password: The password.
    """

    host: str
    port: int
    user: str | None
    password: SecretStr | None


def read_server(host: str, user: str | None, password: SecretStr | None) -> MailServer:
    """Read `host` or `host:port`, by default port 587."""
    name, _, port = host.partition(":")
    return MailServer(name, int(port or _SUBMISSION), user, password)


def compose(notice: Notice, notice_id: str, *, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Write the mail of a notice. Its `Message-ID` is the same whenever it is repeated.

    Args:
        notice: The notice.
        notice_id: The notice's id.
        sender: The address that it comes from.
        recipients: The addresses that it goes to.
    """
    message = EmailMessage()
    message["Subject"] = f"Countersign {notice.data.environment}: {notice.data.title}"
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(notice.timestamp)
    message["Message-ID"] = f"<{notice_id}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes in return
    message.set_content(f"{notice.data.text}\n")
    return message


def send_mail(server: MailServer, message: EmailMessage, *, tls: ssl.SSLContext) -> None:
    """Send a mail, once; blocks.

    It is sent as soon as the server accepts it for one of its recipients.

    Args:
        server: The mail server.
        message: The mail.
        tls: The TLS settings.

    Raises:
        NotDeliveredError: It was not sent; the message names no host and no address.
    """
    try:
        with closing(_connect(server, _domain(str(message["From"])), tls)) as session:
            if server.user is not None and server.password is not None:
                session.login(server.user, server.password.get_secret_value())
            session.send_message(message)
            with suppress(smtplib.SMTPException, OSError):  # the mail is on its way
                session.quit()
    except smtplib.SMTPAuthenticationError:
        raise NotDeliveredError("the mail server refuses the user name or the password") from None
    except smtplib.SMTPNotSupportedError:
        raise NotDeliveredError("the mail server offers no STARTTLS, or no login that is known") from None
    except smtplib.SMTPRecipientsRefused:
        raise NotDeliveredError("the mail server refuses every recipient") from None
    except smtplib.SMTPResponseException as error:
        raise NotDeliveredError(f"the mail server responds {error.smtp_code}") from None
    except ssl.SSLCertVerificationError:
        raise NotDeliveredError("the mail server's certificate is not valid") from None
    except TimeoutError:
        raise NotDeliveredError(f"the mail server does not respond within {SECONDS:g} s") from None
    except (smtplib.SMTPException, OSError):
        raise NotDeliveredError("the mail server cannot be reached, or broke the connection") from None


def _connect(server: MailServer, own_name: str, tls: ssl.SSLContext) -> smtplib.SMTP:
    # The name for EHLO is given, because smtplib else asks the resolver for this machine's.
    if server.port == _IMPLICIT_TLS:
        return smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=own_name, timeout=SECONDS, context=tls
        )
    session = smtplib.SMTP(server.host, server.port, local_hostname=own_name, timeout=SECONDS)
    try:
        if server.host not in LOOPBACK_HOSTS:  # no authority certifies the names of this machine
            session.starttls(context=tls)
    except BaseException:
        session.close()
        raise
    return session


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
