"""Faulty responses, written to the connection because HTTP libraries reject some of them."""

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
from typing import Any, Final

from sandbox.core.fault_rules import ApiFault

_HTML: Final = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response; `claimed_length` replaces its real length."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    claimed_length: int | None = None


@dataclass(frozen=True, slots=True)
class FaultBodies:
    """A provider's error bodies.

    Args:
        error: Of `status` without a body.
        rate_limit: Of `rate_limit`.
        quota: Of `rate_limit` without Retry-After.
    """

    error: dict[str, Any]
    rate_limit: dict[str, Any]
    quota: dict[str, Any]


STAND_IN: Final = RawResponse(200, {"content-type": "application/json"}, b'{"data":{"success":true}}')
"""The response that a fault changes if the work was not done."""


def spoiled(fault: ApiFault, response: RawResponse, bodies: FaultBodies) -> RawResponse:
    """Build the faulty response from the correct one."""
    if fault.do == "status":
        return _scripted(fault, bodies)
    if fault.do == "rate_limit":
        return _rate_limited(fault, bodies)
    return _SPOILERS[fault.do](fault, response)


def raw(response: RawResponse) -> bytes:
    """Serialize a response with `Connection: close`."""
    length = len(response.body) if response.claimed_length is None else response.claimed_length
    return _head(response, {"content-length": str(length)}) + response.body


def chunked_head(response: RawResponse) -> bytes:
    """Serialize the head of a chunked response."""
    return _head(response, {"transfer-encoding": "chunked"})


def chunk(content: bytes) -> bytes:
    """Serialize one chunk."""
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def reset(transport: asyncio.Transport) -> None:
    """End a connection with RST instead of FIN."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _head(response: RawResponse, framing: dict[str, str]) -> bytes:
    framed = ("content-length", "transfer-encoding", "connection", "date")
    headers = {name: value for name, value in response.headers.items() if name.lower() not in framed}
    headers |= framing | {"connection": "close", "date": formatdate(usegmt=True)}
    phrase = HTTPStatus(response.status).phrase if response.status in set(HTTPStatus) else "Unknown"
    lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _typed(fault: ApiFault) -> dict[str, str]:
    return {"content-type": "text/plain" if isinstance(fault.body, str) else "application/json"}


def _body(fault: ApiFault, bodies: FaultBodies) -> bytes:
    if isinstance(fault.body, str):
        return fault.body.encode()
    return json.dumps(bodies.error if fault.body is None else fault.body).encode()


def _rate_limit_headers(fault: ApiFault) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if fault.retry_after_date is not None:
        return headers | {"retry-after": formatdate(time() + fault.retry_after_date, usegmt=True)}
    return headers if fault.retry_after is None else headers | {"retry-after": str(fault.retry_after)}


def _corrupted(body: bytes) -> bytes:
    """Flip the byte in the middle of a body."""
    middle = len(body) // 2
    return body[:middle] + bytes((body[middle] ^ 0xFF,)) + body[middle + 1 :] if body else b"\xff"


def _with_fields(fault: ApiFault, response: RawResponse) -> RawResponse:
    """Replace fields of a JSON object; other bodies stay unchanged."""
    try:
        content = json.loads(response.body)
    except ValueError:
        return response
    if not isinstance(content, dict):
        return response
    return replace(response, body=json.dumps(content | fault.fields).encode())


def _scripted(fault: ApiFault, bodies: FaultBodies) -> RawResponse:
    return RawResponse(fault.status, _typed(fault) | fault.headers, _body(fault, bodies))


def _rate_limited(fault: ApiFault, bodies: FaultBodies) -> RawResponse:
    headers = _rate_limit_headers(fault)
    body = bodies.rate_limit if "retry-after" in headers else bodies.quota
    return RawResponse(429, headers, json.dumps(body, separators=(",", ":")).encode())


def _redirect(fault: ApiFault, _response: RawResponse) -> RawResponse:
    status = fault.status if 300 <= fault.status < 400 else 302  # noqa: PLR2004 - redirects
    return RawResponse(status, {"location": fault.location})


def _html(fault: ApiFault, _response: RawResponse) -> RawResponse:
    return RawResponse(fault.status, {"content-type": "text/html"}, _HTML)


def _truncated(_fault: ApiFault, response: RawResponse) -> RawResponse:
    return replace(response, body=response.body[: len(response.body) // 2], claimed_length=len(response.body))


def _wrong_length(fault: ApiFault, response: RawResponse) -> RawResponse:
    return replace(response, claimed_length=max(0, len(response.body) + fault.length))


def _wrong_type(fault: ApiFault, response: RawResponse) -> RawResponse:
    return replace(response, headers=response.headers | {"content-type": fault.content_type})


def _bomb(fault: ApiFault, response: RawResponse) -> RawResponse:
    packed = gzip.compress(b"\0" * fault.size, 9)
    return RawResponse(response.status, response.headers | {"content-encoding": "gzip"}, packed)


_SPOILERS: Final[dict[str, Callable[[ApiFault, RawResponse], RawResponse]]] = {
    "redirect": _redirect,
    "html": _html,
    "truncate": _truncated,
    "corrupt": lambda _, response: replace(response, body=_corrupted(response.body)),
    "fields": _with_fields,
    "empty": lambda _, response: replace(response, body=b""),
    "content_type": _wrong_type,
    "content_length": _wrong_length,
    "gzip": _bomb,
}
