"""Answers that are wrong on purpose. Some no HTTP library would write, so they go to the connection raw."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import Final

from sandbox.fault_rules import ApiFault

_HTML: Final = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and what is claimed of its length; None claims the truth."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    claimed_length: int | None = None


STAND_IN: Final = Answer(200, {"content-type": "application/json"}, b'{"data":{"success":true}}')
"""What is spoiled when the call's work was not done."""


def spoiled(fault: ApiFault, answer: Answer) -> Answer:
    """Make the wrong answer of a fault out of the right one."""
    return _SPOILERS[fault.do](fault, answer)


def raw(answer: Answer) -> bytes:
    """Write an answer as it goes over the wire; the connection closes after it."""
    length = len(answer.body) if answer.claimed_length is None else answer.claimed_length
    return _head(answer, {"content-length": str(length)}) + answer.body


def chunked_head(answer: Answer) -> bytes:
    """Write the head of an answer whose end is not announced."""
    return _head(answer, {"transfer-encoding": "chunked"})


def chunk(content: bytes) -> bytes:
    """Write one piece of such an answer."""
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def reset(transport: asyncio.Transport) -> None:
    """End a connection with RST instead of FIN."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _head(answer: Answer, framing: dict[str, str]) -> bytes:
    framed = ("content-length", "transfer-encoding", "connection", "date")
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in framed}
    headers |= framing | {"connection": "close", "date": formatdate(usegmt=True)}
    phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _typed(fault: ApiFault) -> dict[str, str]:
    return {"content-type": "text/plain" if isinstance(fault.body, str) else "application/json"}


def _body(fault: ApiFault) -> bytes:
    if isinstance(fault.body, str):
        return fault.body.encode()
    given = {"message": "Internal server error"} if fault.body is None else fault.body
    return json.dumps(given).encode()


def _rate_limit_headers(fault: ApiFault) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if fault.retry_after_date is not None:
        return headers | {"retry-after": formatdate(time() + fault.retry_after_date, usegmt=True)}
    return headers if fault.retry_after is None else headers | {"retry-after": str(fault.retry_after)}


def _corrupted(body: bytes) -> bytes:
    """Break a body in its middle: JSON no longer parses, a PDF no longer hashes alike."""
    middle = len(body) // 2
    return body[:middle] + bytes((body[middle] ^ 0xFF,)) + body[middle + 1 :] if body else b"\xff"


def _with_fields(fault: ApiFault, answer: Answer) -> Answer:
    """Put fields in the place of an answer's own; what is no JSON object stays as it is."""
    try:
        own = json.loads(answer.body)
    except ValueError:
        return answer
    return replace(answer, body=json.dumps(own | fault.fields).encode()) if isinstance(own, dict) else answer


def _scripted(fault: ApiFault, _answer: Answer) -> Answer:
    return Answer(fault.status, _typed(fault) | fault.headers, _body(fault))


def _rate_limited(fault: ApiFault, _answer: Answer) -> Answer:
    return Answer(429, _rate_limit_headers(fault), b'{"message":"Too many requests","type":"RateLimit"}')


def _redirect(fault: ApiFault, _answer: Answer) -> Answer:
    status = fault.status if 300 <= fault.status < 400 else 302  # noqa: PLR2004 - the redirects
    return Answer(status, {"location": fault.location})


def _html(fault: ApiFault, _answer: Answer) -> Answer:
    return Answer(fault.status, {"content-type": "text/html"}, _HTML)


def _truncated(_fault: ApiFault, answer: Answer) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2], claimed_length=len(answer.body))


def _wrong_length(fault: ApiFault, answer: Answer) -> Answer:
    return replace(answer, claimed_length=max(0, len(answer.body) + fault.length))


def _wrong_type(fault: ApiFault, answer: Answer) -> Answer:
    return replace(answer, headers=answer.headers | {"content-type": fault.content_type})


def _bomb(fault: ApiFault, answer: Answer) -> Answer:
    packed = gzip.compress(b"\0" * fault.size, 9)
    return Answer(answer.status, answer.headers | {"content-encoding": "gzip"}, packed)


_SPOILERS: Final[dict[str, Callable[[ApiFault, Answer], Answer]]] = {
    "status": _scripted,
    "rate_limit": _rate_limited,
    "redirect": _redirect,
    "html": _html,
    "truncate": _truncated,
    "corrupt": lambda _, answer: replace(answer, body=_corrupted(answer.body)),
    "fields": _with_fields,
    "empty": lambda _, answer: replace(answer, body=b""),
    "content_type": _wrong_type,
    "content_length": _wrong_length,
    "gzip": _bomb,
}
