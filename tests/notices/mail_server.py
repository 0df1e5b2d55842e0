"""A mail server on this machine: it records what arrives, and refuses what the test says."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """What arrived, and what is refused."""

    host: str
    port: int = 0
    tls: ssl.SSLContext | None = None
    credentials: tuple[str, str] | None = None
    """The user name and the password that it wants; None if it wants no login."""
    refused: dict[str, int] = field(default_factory=dict)
    """The status of the next responses to commands, such as `{"RCPT": 550}`."""
    mails: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            await _say(writer, "220 mail.example.com ESMTP")
            is_secret = writer.get_extra_info("ssl_object") is not None
            while line := (await reader.readline()).decode().strip():
                verb, _, rest = line.partition(" ")
                verb = verb.upper()
                self.commands.append(verb)
                if status := self.refused.pop(verb, None):
                    await _say(writer, f"{status} not now")
                elif verb == "EHLO":
                    offers = ["mail.example.com", *([] if is_secret or not self.tls else ["STARTTLS"])]
                    offers += ["AUTH PLAIN"] if self.credentials else []
                    lines = [f"250{'-' if offer is not offers[-1] else ' '}{offer}" for offer in offers]
                    await _say(writer, "\r\n".join(lines))
                elif verb == "STARTTLS" and self.tls is not None:
                    await _say(writer, "220 go on")
                    await writer.start_tls(self.tls)
                    is_secret = True
                elif verb == "AUTH":
                    user, password = base64.b64decode(rest.split()[1]).decode().split("\0")[1:]
                    is_right = (user, password) == self.credentials
                    await _say(writer, "235 welcome" if is_right else "535 wrong")
                elif verb == "DATA":
                    await _say(writer, "354 go on")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(message_from_bytes(content[:-3], policy=policy.default))
                    await _say(writer, "250 taken")
                elif verb == "QUIT":
                    await _say(writer, "221 bye")
                    return
                else:
                    await _say(writer, "250 ok")


async def _say(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(f"{line}\r\n".encode())
    await writer.drain()


@asynccontextmanager
async def mail_server(
    host: str = "127.0.0.1",
    *,
    tls: ssl.SSLContext | None = None,
    credentials: tuple[str, str] | None = None,
    speaks_tls_first: bool = False,
) -> AsyncIterator[MailServer]:
    """Run a mail server until the block ends.

    Args:
        host: Its address.
        tls: Its certificate; None if it speaks no TLS.
        credentials: The user name and the password that it wants.
        speaks_tls_first: Speak TLS from the start, not after STARTTLS.
    """
    server = MailServer(host, tls=tls, credentials=credentials)
    listening = await asyncio.start_server(server.accept, host, 0, ssl=tls if speaks_tls_first else None)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tuple(server._serving):
            task.cancel()
        await asyncio.gather(*server._serving, return_exceptions=True)
